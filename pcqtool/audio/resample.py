"""Resampling to 16 kHz as a stream (soxr)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

from pcqtool.audio.segment import SAMPLE_RATE

QUALITY = "HQ"  # soxr's 20-bit setting: linear phase, flat to 91 % of the lower Nyquist frequency


def resample(
    blocks: Iterable[npt.NDArray[np.float32]], rate: int, n_channels: int
) -> Iterator[npt.NDArray[np.float32]]:
    """Resample a stream to 16 kHz; a stream that is at 16 kHz already passes through untouched.

    The result does not depend on the sizes of the blocks. A stream that is not empty yields at least one sample.

    Args:
        blocks: ``(n, n_channels)`` float32 each.
        rate: of the blocks, in Hz.
        n_channels: of the blocks.

    Shape:
        ``(m, n_channels)`` each; over all blocks ``m`` is ``n * 16000 / rate`` rounded, plus or minus one.
    """
    if rate == SAMPLE_RATE:
        yield from blocks
        return
    import soxr

    stream = soxr.ResampleStream(rate, SAMPLE_RATE, n_channels, dtype="float32", quality=QUALITY)
    first: npt.NDArray[np.float32] | None = None
    n_out = 0
    for block in blocks:
        first = block[:1].copy() if first is None and len(block) else first
        out = stream.resample_chunk(np.ascontiguousarray(block), last=False)
        n_out += len(out)
        if len(out):
            yield out
    tail = stream.resample_chunk(np.zeros((0, n_channels), dtype=np.float32), last=True)
    if len(tail):
        yield tail
    elif first is not None and not n_out:
        yield first
