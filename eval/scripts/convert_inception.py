#!/usr/bin/env python3
"""Converts the FID's Inception-v3 checkpoint to the safetensors file that lmcodec-eval (feature `fid`) reads.

    pip install torch safetensors
    convert_inception.py pt_inception-2015-12-05-6726825d.pth inception.safetensors

The checkpoint is published with pytorch-fid (release `fid_weights`) and used by torchmetrics, too.
"""
import sys

import torch
from safetensors.torch import save_file


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    state = torch.load(sys.argv[1], map_location="cpu", weights_only=True)
    keep = {k: v.float().contiguous() for k, v in state.items() if not k.endswith("num_batches_tracked") and not k.startswith("fc.")}
    save_file(keep, sys.argv[2])


if __name__ == "__main__":
    main()
