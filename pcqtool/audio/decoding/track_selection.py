"""Choice among a file's audio tracks: the default track, unless it is silent and another is not."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

SILENCE_PEAK = 1e-4  # peak of -80 dB full scale, above the noise that codecs add to digital silence


def choose_track(streams: list[Any], is_silent: Callable[[int], bool] | None = None) -> tuple[int, str]:
    """Choose one of a container's audio streams.

    Args:
        streams: all of them in order, including those that no decoder supports.
        is_silent: whether the stream of this number, counted from 0, is silent throughout; None to assume that no
            stream is.

    Returns:
        The number of the chosen stream, and the reason.
    """
    decodable = [number for number, stream in enumerate(streams) if stream.codec_context is not None]
    flagged = [number for number in decodable if _is_default(streams[number])]
    first, why = (flagged[0], "default") if flagged else (decodable[0], "the first that can be decoded")
    if first == 0 and not flagged:
        why = "the first"
    if is_silent is not None and is_silent(first):
        for number in decodable:
            if number != first and not is_silent(number):
                return number, f"track {first + 1} is silent"
    return first, why


def is_silence(waves: Iterable[npt.NDArray[np.float32]]) -> bool:
    """Whether all blocks of samples are silent; stops at the first that is not."""
    return all(not wave.size or float(np.abs(wave).max()) < SILENCE_PEAK for wave in waves)


def _is_default(stream: Any) -> bool:
    from av.stream import Disposition

    return bool(stream.disposition & Disposition.default)
