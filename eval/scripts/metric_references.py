#!/usr/bin/env python3
"""Reference values of the metrics of lmcodec-eval.

    python3 -m venv v && v/bin/pip install numpy scipy scikit-image jiwer torch torchvision \
        pytorch-msssim pytorch-fid torchmetrics torch-fidelity ssimulacra2
    v/bin/python eval/scripts/metric_references.py > eval/tests/data/metric_references.json

Inputs are made by integer formulas that eval/tests/metrics_inputs/mod.rs repeats in Rust, so that no file is shared but the
printed values. `--without-fid` leaves out the Inception features (about 1 GiB of memory).
"""
import importlib.metadata as md
import json
import math
import os
import sys
import tempfile

import numpy as np
import scipy.linalg

U32 = np.uint64(0xFFFFFFFF)


def mix(x):
    """lowbias32 by Chris Wellons, on arrays of 32-bit numbers held in 64 bits."""
    x = np.asarray(x, dtype=np.uint64) & U32
    x ^= x >> np.uint64(16)
    x = (x * np.uint64(0x7FEB352D)) & U32
    x ^= x >> np.uint64(15)
    x = (x * np.uint64(0x846CA68B)) & U32
    x ^= x >> np.uint64(16)
    return x


def triangle(t, period):
    return np.abs(t % (2 * period) - period) * 255 // period


def image(width, height, seed):
    y, x, c = np.meshgrid(np.arange(height), np.arange(width), np.arange(3), indexing="ij")
    noise = (mix((y * width + x) * 3 + c + 1_000_003 * seed) & np.uint64(63)).astype(np.int64)
    v = (2 * triangle(3 * x + 2 * y + 40 * c, 97) + triangle(5 * y + 17 * c + seed, 61) + noise) // 3
    return np.clip(v, 0, 255).astype(np.uint8)


def degraded(source, step, seed):
    h, w, _ = source.shape
    i = np.arange(h * w * 3).reshape(h, w, 3)
    noise = (mix(i + 7_000_003 * seed) & np.uint64(15)).astype(np.int64) - 8
    return np.clip(source.astype(np.int64) // step * step + step // 2 + noise, 0, 255).astype(np.uint8)


def signal(n, seed):
    """Integers in the 16-bit range: noise through a one-pole filter in integers, with an envelope."""
    u = (mix(np.arange(n) + 5_000_011 * seed) & np.uint64(0xFFFF)).astype(np.int64) - 32768
    out, y = np.empty(n, dtype=np.int64), 0
    for i in range(n):
        y = ((y * 15) >> 4) + (int(u[i]) >> 2)
        out[i] = y
    out = (out * (triangle(np.arange(n), 1500) + 20)) >> 9
    return np.clip(out, -32768, 32767)


def noisy(s, shift, seed):
    u = (mix(np.arange(len(s)) + 9_000_011 * seed) & np.uint64(0xFFFF)).astype(np.int64) - 32768
    return np.clip(((s * 7) >> 3) + (u >> shift), -32768, 32767)


def features(n, d, seed, rank=None):
    rank = rank or d
    z = mix(np.arange(n * rank) + 11_000_003 * seed).reshape(n, rank).astype(np.float64) / 2**32
    a = mix(np.arange(rank * d) + 13_000_003 * seed).reshape(rank, d).astype(np.float64) / 2**32 - 0.5
    # Sums in a fixed order, so that Rust gets the same numbers.
    x = np.zeros((n, d))
    for k in range(rank):
        x += z[:, k : k + 1] * a[k : k + 1, :]
    return x


def psnr_and_ssim():
    import pytorch_msssim
    import skimage.metrics
    import torch
    import torchmetrics.functional as tmf

    cases = []
    for w, h, step, seed in [(176, 161, 8, 1), (163, 201, 24, 2), (256, 192, 64, 3), (321, 177, 2, 4)]:
        a = image(w, h, seed)
        b = degraded(a, step, seed)
        t = [torch.from_numpy(v.astype(np.float64)).permute(2, 0, 1)[None] for v in (a, b)]
        y = [v @ np.array([0.299, 0.587, 0.114]) for v in (a.astype(np.float64), b.astype(np.float64))]
        f32 = [v.float() for v in t]
        gray = [torch.from_numpy(v)[None, None] for v in y]
        # The package's own window is float32 even for float64 images; here it is given in float64.
        g = np.exp(-((np.arange(11) - 5.0) ** 2) / (2 * 1.5**2))
        window = torch.from_numpy(g / g.sum()).reshape(1, 1, 1, 11)
        f64 = {"data_range": 255, "win": window}
        f64_rgb = {"data_range": 255, "win": window.repeat(3, 1, 1, 1)}
        cases.append(
            {
                "width": w,
                "height": h,
                "step": step,
                "seed": seed,
                "psnr_rgb": skimage.metrics.peak_signal_noise_ratio(a, b, data_range=255),
                "psnr_rgb_torchmetrics": tmf.peak_signal_noise_ratio(t[1], t[0], data_range=255.0).item(),
                "psnr_luma": skimage.metrics.peak_signal_noise_ratio(y[0], y[1], data_range=255),
                "ms_ssim_rgb": pytorch_msssim.ms_ssim(*t, **f64_rgb).item(),
                "ms_ssim_rgb_float32": pytorch_msssim.ms_ssim(*f32, data_range=255).item(),
                "ms_ssim_first_channel": pytorch_msssim.ms_ssim(t[0][:, :1], t[1][:, :1], **f64).item(),
                "ms_ssim_luma": pytorch_msssim.ms_ssim(*gray, **f64).item(),
            }
        )
    return cases


def ssimulacra2_python():
    import ssimulacra2
    from PIL import Image

    cases = []
    with tempfile.TemporaryDirectory() as folder:
        for w, h, step, seed in [(176, 161, 8, 1), (163, 201, 24, 2), (256, 192, 64, 3)]:
            a = image(w, h, seed)
            paths = [os.path.join(folder, n) for n in ("a.png", "b.png")]
            for path, v in zip(paths, (a, degraded(a, step, seed))):
                Image.fromarray(v).save(path)
            score = float(ssimulacra2.compute_ssimulacra2(*paths))
            cases.append({"width": w, "height": h, "step": step, "seed": seed, "score": score})
    return cases


def frechet():
    import torch
    from torchmetrics.image.fid import _compute_fid

    cases = []
    for name, d, n, m, rank in [
        ("full rank", 16, 200, 150, None),
        ("fewer vectors than dimensions", 40, 12, 9, None),
        ("both covariances of rank 5", 24, 100, 80, 5),
        ("one rank-deficient", 32, 200, 11, None),
    ]:
        x, y = features(n, d, 1, rank), features(m, d, 2, rank) * 1.25 + 0.05
        mu = [v.mean(axis=0) for v in (x, y)]
        sigma = [np.cov(v, rowvar=False) for v in (x, y)]
        root = scipy.linalg.sqrtm(sigma[0] @ sigma[1])
        plain = float(((mu[0] - mu[1]) ** 2).sum() + np.trace(sigma[0]) + np.trace(sigma[1]) - 2 * np.trace(root.real))
        # The same through roots of symmetric matrices, which singular ones do not disturb.
        value, vectors = scipy.linalg.eigh(sigma[0])
        half = (vectors * np.sqrt(np.clip(value, 0, None))) @ vectors.T
        inner = scipy.linalg.eigvalsh(half @ sigma[1] @ half)
        exact = float(
            ((mu[0] - mu[1]) ** 2).sum()
            + np.trace(sigma[0])
            + np.trace(sigma[1])
            - 2 * np.sqrt(np.clip(inner, 0, None)).sum()
        )
        t = [torch.from_numpy(v) for v in (mu[0], sigma[0], mu[1], sigma[1])]
        cases.append(
            {
                "name": name,
                "dimensions": d,
                "n": n,
                "m": m,
                "rank": rank or d,
                "scipy_sqrtm": plain,
                "scipy_eigh": exact,
                "torchmetrics": _compute_fid(*t).item(),
            }
        )
    return cases


def speech():
    import torch
    from torchmetrics.functional.audio import scale_invariant_signal_distortion_ratio as si_sdr

    cases = []
    for n, shift, seed in [(16000, 6, 1), (9001, 9, 2), (4096, 3, 3)]:
        s = signal(n, seed)
        t = [torch.from_numpy(v / 32768.0) for v in (s, noisy(s, shift, seed))]
        row = {
            "samples": n,
            "shift": shift,
            "seed": seed,
            "si_sdr": si_sdr(t[1], t[0]).item(),
            "si_sdr_zero_mean": si_sdr(t[1], t[0], zero_mean=True).item(),
        }
        for window, hop in [(2048, 512), (512, 128)]:
            log_power = [
                10 * torch.log10(
                    torch.stft(
                        v,
                        window,
                        hop,
                        window=torch.hann_window(window, dtype=torch.float64),
                        center=False,
                        return_complex=True,
                    )
                    .abs()
                    .pow(2)
                    .clamp(min=1e-10)
                )
                for v in t
            ]
            row[f"lsd_{window}_{hop}"] = (log_power[0] - log_power[1]).pow(2).mean(dim=0).sqrt().mean().item()
        cases.append(row)
    return cases


def word_errors():
    import jiwer

    normal = jiwer.Compose(
        [
            jiwer.ToLowerCase(),
            jiwer.RemovePunctuation(),
            # jiwer splits at blanks only, and would keep a tab inside a word.
            jiwer.SubstituteRegexes({r"\s+": " "}),
            jiwer.Strip(),
            jiwer.ReduceToListOfListOfWords(),
        ]
    )
    sets = [
        [("THE CAT SAT ON THE MAT", "the cat sat on the mat.")],
        [("THE CAT SAT ON THE MAT", "A cat sat, on mat today!")],
        [("one two three", ""), ("four", "four five six seven")],
        [("It's well-known: “naïve” — ok", "its wellknown naïve okay"), ("a b c d e f g", "b c x e g h")],
        [("costs $5 + tax", "costs 5 tax"), ("  spaced\tout \n words ", "spaced out words")],
    ]
    cases = []
    for pairs in sets:
        refs, hyps = [p[0] for p in pairs], [p[1] for p in pairs]
        out = jiwer.process_words(refs, hyps, reference_transform=normal, hypothesis_transform=normal)
        cases.append(
            {
                "pairs": pairs,
                "wer": out.wer,
                "errors": out.substitutions + out.deletions + out.insertions,
                "reference_words": out.hits + out.substitutions + out.deletions,
            }
        )
    return cases


def fnv1a(name):
    h = 0x811C9DC5
    for byte in name.encode():
        h = ((h ^ byte) * 0x01000193) & 0xFFFFFFFF
    return h


def random_weight(name, shape):
    n = int(np.prod(shape))
    unit = mix(np.arange(n, dtype=np.uint64) + np.uint64(fnv1a(name))).astype(np.float64) / 2**32
    if name.endswith("conv.weight"):
        value = (2 * unit - 1) * math.sqrt(6.0 / (shape[1] * shape[2] * shape[3]))
    elif name.endswith(("bn.weight", "running_var")):
        value = unit + 0.5
    else:
        value = (unit - 0.5) * 0.2
    return value.astype(np.float32).reshape(shape)


def inception():
    import pytorch_fid.inception as pf
    import torch
    import torchvision
    from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x

    def random_state(*_args, **_kwargs):
        net = torchvision.models.inception_v3(num_classes=1008, aux_logits=False, weights=None, init_weights=False)
        return {
            k: v if v.dtype == torch.int64 else torch.from_numpy(random_weight(k, tuple(v.shape)))
            for k, v in net.state_dict().items()
        }

    pf.load_state_dict_from_url = random_state
    with torch.no_grad():
        net = pf.InceptionV3([3]).eval()
        cases = []
        for w, h, seed in [(96, 64, 5), (320, 301, 6)]:
            x = torch.from_numpy(image(w, h, seed)).permute(2, 0, 1)[None]
            net.resize_input, net.normalize_input = True, True
            plain = net(x.float() / 255)[0].flatten()
            # torch-fidelity and torchmetrics: TensorFlow 1's resize, then (x − 128) / 128.
            net.resize_input, net.normalize_input = False, False
            resized = interpolate_bilinear_2d_like_tensorflow1x(x.float(), size=(299, 299), align_corners=False)
            tensorflow = net((resized - 128) / 128)[0].flatten()
            for name, f in [("pytorch-fid", plain), ("torch-fidelity", tensorflow)]:
                f = f.double()
                cases.append(
                    {
                        "preprocessing": name,
                        "width": w,
                        "height": h,
                        "seed": seed,
                        "every_16th": [float(np.float32(v)) for v in f[::16]],
                        "mean": f.mean().item(),
                        "norm": f.norm().item(),
                    }
                )
    return cases


def main():
    packages = "numpy scipy scikit-image jiwer torch pytorch-msssim pytorch-fid torchmetrics torch-fidelity ssimulacra2".split()
    out = {
        "versions": {p: md.version(p) for p in packages},
        "checks": {
            "image": [int(v) for v in image(7, 5, 1)[2, 3:6].flatten()],
            "degraded": [int(v) for v in degraded(image(7, 5, 1), 8, 1)[2, 3:6].flatten()],
            "signal": [int(v) for v in signal(3000, 1)[1000:1005]],
            "noisy": [int(v) for v in noisy(signal(3000, 1), 6, 1)[1000:1005]],
        },
        "images": psnr_and_ssim(),
        "ssimulacra2_python": ssimulacra2_python(),
        "frechet": frechet(),
        "speech": speech(),
        "word_errors": word_errors(),
    }
    if "--without-fid" not in sys.argv:
        out["inception"] = inception()
    print(json.dumps(out, indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
