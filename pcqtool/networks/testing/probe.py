"""Segments and comparisons for the checks of networks and encoders."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from pcqtool.audio.segment import SEGMENT_SAMPLES

LENGTHS = (SEGMENT_SAMPLES, SEGMENT_SAMPLES, 30000, 9000, 400, 1, SEGMENT_SAMPLES)
"""Samples of the probe's segments; the last one is silent."""

_TOLERANCE = 1e-3  # of values of about 1: sums over batches of other sizes round differently


def probe() -> tuple[Tensor, Tensor]:
    """Return segments of noise and tones ``(7, 48000)``, most of them padded, and their lengths ``(7,)``."""
    generator = torch.Generator().manual_seed(7)
    lengths = torch.tensor(LENGTHS)
    pitch = torch.linspace(100, 1000, len(LENGTHS))[:, None]
    tones = torch.sin(2 * torch.pi * pitch * torch.arange(SEGMENT_SAMPLES) / 16000)
    waves = 0.2 * tones + 0.05 * torch.randn(len(LENGTHS), SEGMENT_SAMPLES, generator=generator)
    waves *= torch.arange(SEGMENT_SAMPLES) < lengths[:, None]
    waves[-1] = 0.0
    return waves, lengths


def differ(one: Tensor, other: Tensor) -> bool:
    """Return whether two tensors differ by more than rounding."""
    if one.shape != other.shape:
        return True
    scale = max(1.0, float(one.float().abs().max()))
    return not torch.allclose(one.float(), other.float(), rtol=_TOLERANCE, atol=_TOLERANCE * scale, equal_nan=True)


def batch_problems(what: str, compute: Callable[[slice], Sequence[Tensor]], n: int) -> Iterator[str]:
    """Yield problems of outputs that are not finite, not repeatable, or depend on the rest of the batch.

    Args:
        what: what is computed, for the texts.
        compute: computes tensors for some of the segments.
        n: number of segments.
    """
    whole = compute(slice(None))
    if any(not each.isfinite().all() for each in whole):
        yield f"{what} has values that are not finite, for segments that are short or silent"
        return
    again = compute(slice(None))
    if not all(map(torch.equal, whole, again)):
        yield f"{what} differs when it is computed again"
        return
    alone = [torch.cat(parts) for parts in zip(*(compute(slice(row, row + 1)) for row in range(n)), strict=True)]
    if any(map(differ, whole, alone)):
        yield f"{what} of a segment depends on the other segments of the batch"


def pickle_problems(found: object) -> Iterator[str]:
    """Yield why an object cannot be sent to another process, where folds are trained in parallel."""
    try:
        pickle.loads(pickle.dumps(found))  # noqa: S301  (written by this process)
    except Exception as error:
        yield f"it cannot be pickled: {type(error).__name__}: {error}"
