"""The step of finetune_throughput.rs in PyTorch: forward and backward of a frozen Llama of SmolLM2-135M's shape with an embedding
and a head of their own, gradients for these two alone. Speed does not depend on the weights, which are random here.

    pip install torch transformers
    python finetune/examples/finetune_throughput.py f32|bf16 [THREADS [VOCABULARY [SYMBOLS_A_BATCH [CHUNK]]]]

Prints one JSON object: the fastest of three runs after one to warm up, wall-clock and CPU time apart.
"""

import json
import os
import resource
import sys
import time

import torch
from transformers import LlamaConfig, LlamaForCausalLM

precision = sys.argv[1]
threads, vocabulary, symbols, chunk = (
    int(sys.argv[i]) if len(sys.argv) > i else default for i, default in ((2, 1), (3, 256), (4, 2048), (5, 512))
)
torch.set_num_threads(threads)
torch.manual_seed(0)
config = LlamaConfig(
    vocab_size=vocabulary, hidden_size=576, intermediate_size=1536, num_hidden_layers=30, num_attention_heads=9,
    num_key_value_heads=3, max_position_embeddings=8192, tie_word_embeddings=False, attn_implementation="sdpa",
)
model = LlamaForCausalLM(config).to({"f32": torch.float32, "bf16": torch.bfloat16}[precision]).train()
trained = [model.model.embed_tokens.weight, model.lm_head.weight]
for parameter in model.parameters():
    parameter.requires_grad_(any(parameter is t for t in trained))
x = torch.randint(0, vocabulary, (max(1, symbols // chunk), chunk))


def loss():
    logits = model(x, use_cache=False).logits.float()
    return torch.nn.functional.cross_entropy(logits.view(-1, vocabulary), x.view(-1))


def forward():
    with torch.no_grad():
        loss()


def step():
    loss().backward()
    for parameter in trained:
        parameter.grad = None


def best(f):
    """(wall-clock, CPU) seconds."""
    f()
    wall = cpu = float("inf")
    for _ in range(3):
        clock, before = time.perf_counter(), os.times()
        f()
        after = os.times()
        wall = min(wall, time.perf_counter() - clock)
        cpu = min(cpu, after.user + after.system - before.user - before.system)
    return wall, cpu


n = x.numel()
(forward_wall, forward_cpu), (step_wall, step_cpu) = best(forward), best(step)
print(json.dumps({
    "precision": precision, "threads": threads, "chunk": chunk, "chunks": x.shape[0], "torch": torch.__version__,
    "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    "forward_symbols_per_second": round(n / forward_wall), "step_symbols_per_second": round(n / step_wall),
    "forward_symbols_per_cpu_second": round(n / forward_cpu), "step_symbols_per_cpu_second": round(n / step_cpu),
}))
