"""Which of a file's audio tracks is the recording: the default one, unless it is silent and another is not."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

SILENT = 1e-4  # -80 dB full scale, which covers what codecs make of digital silence


def choose(streams: list[Any], is_silent: Callable[[int], bool] | None = None) -> tuple[int, str]:
    """Choose one of a container's audio streams.

    Args:
        streams: in their order, also those that no decoder knows.
        is_silent: whether the stream of that number, counted from 0, holds silence from beginning to end; None to take
            it that none does.

    Returns:
        The number of the one to read, and why.
    """
    known = [number for number, stream in enumerate(streams) if stream.codec_context is not None]
    flagged = [number for number in known if _is_default(streams[number])]
    first, why = (flagged[0], "default") if flagged else (known[0], "the first that can be decoded")
    if first == 0 and not flagged:
        why = "the first"
    if is_silent is not None and is_silent(first):
        for number in known:
            if number != first and not is_silent(number):
                return number, f"track {first + 1} is silent"
    return first, why


def is_silence(waves: Iterable[npt.NDArray[np.float32]]) -> bool:
    """Whether blocks of samples hold nothing but silence; looks no further than the first sound."""
    return all(not wave.size or float(np.abs(wave).max()) < SILENT for wave in waves)


def _is_default(stream: Any) -> bool:
    from av.stream import Disposition

    return bool(stream.disposition & Disposition.default)
