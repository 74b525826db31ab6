"""The numeric precision of a training run."""

from __future__ import annotations

import torch

from pcqtool.errors import SettingsError
from pcqtool.model.network import AnyNetwork


def choose_precision(wanted: str, device: torch.device, model: AnyNetwork) -> torch.dtype:
    """Return the data type of autocast.

    ``auto`` is float32 if no pre-trained encoder is trained: the rest of the network is too small to gain. Otherwise it
    is bfloat16 if the device computes faster in it, float16 on other CUDA devices, and float32 on other CPUs.

    Args:
        wanted: one of ``recipe.PRECISIONS``.
        device: where to compute.
        model: the network.

    Raises:
        SettingsError: if float16 is set for a CPU, where small gradients would vanish.
    """
    if wanted == "float16" and device.type == "cpu":
        raise SettingsError("precision float16 is for GPUs", 'Use precision = "bfloat16", or "auto".')
    if wanted != "auto":
        chosen: torch.dtype = getattr(torch, wanted)
        return chosen
    encoder = model.encoder
    if encoder is None or not encoder.is_pretrained or encoder.config.frozen:
        return torch.float32
    if is_fast_in_bfloat16(device):
        return torch.bfloat16
    return torch.float16 if device.type == "cuda" else torch.float32


def is_fast_in_bfloat16(device: torch.device) -> bool:
    """Check whether a device multiplies matrices in bfloat16 in hardware."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and cpu_is_fast_in_bfloat16()


def cpu_is_fast_in_bfloat16() -> bool:
    """Check whether the processor multiplies matrices in bfloat16, by AVX-512 BF16 or AMX, and torch uses that.

    If ``ATEN_CPU_CAPABILITY`` keeps torch from AVX-512, its attention in bfloat16 fails on such a processor.
    """
    if torch.backends.cpu.get_cpu_capability() != "AVX512":
        return False
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
