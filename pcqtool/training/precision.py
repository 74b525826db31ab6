"""The precision that a training run computes in."""

from __future__ import annotations

import torch

from pcqtool.errors import SettingsError
from pcqtool.model.pcq import PCQ


def choose_precision(wanted: str, device: torch.device, model: PCQ) -> torch.dtype:
    """Choose the type of autocast.

    ``auto`` is float32 for a network whose training runs no pre-trained encoder: it is too small to gain. For the
    others it is bfloat16 where the device computes faster in it, on CUDA devices without it float16, else float32.

    Args:
        wanted: one of ``recipe.PRECISIONS``.
        device: where to compute.
        model: the network.

    Raises:
        SettingsError: if float16 is asked for on a CPU, where small gradients would vanish.
    """
    if wanted == "float16" and device.type == "cpu":
        raise SettingsError("precision float16 is for GPUs", 'Use precision = "bfloat16", or "auto".')
    if wanted != "auto":
        chosen: torch.dtype = getattr(torch, wanted)
        return chosen
    encoder = model.config.encoder
    if encoder.kind in ("none", "mini") or encoder.frozen:
        return torch.float32
    if is_fast_in_bfloat16(device):
        return torch.bfloat16
    return torch.float16 if device.type == "cuda" else torch.float32


def is_fast_in_bfloat16(device: torch.device) -> bool:
    """Say whether a device multiplies matrices in bfloat16 itself."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and cpu_is_fast_in_bfloat16()


def cpu_is_fast_in_bfloat16() -> bool:
    """Say whether the processor multiplies matrices in bfloat16, by AVX-512 BF16 or AMX, and torch uses what it has.

    Where torch is kept from AVX-512 (``ATEN_CPU_CAPABILITY``), its attention in bfloat16 fails on such a processor.
    """
    if torch.backends.cpu.get_cpu_capability() != "AVX512":
        return False
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
