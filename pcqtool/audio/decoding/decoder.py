"""What every decoder of recordings is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
import numpy.typing as npt

TOLERANCE_S = 0.1  # a codec's delay and padding, that headers count or do not count


class Decoder(Protocol):
    """What reads one kind of file; ``fault`` says what went wrong on the way."""

    format: str
    sample_rate: int
    n_channels: int
    claimed_s: float | None
    claim_holds: bool
    fault: str | None
    note: str | None

    def blocks(self, n_frames: int) -> Iterator[npt.NDArray[np.float32]]:
        """Decode onwards: ``(n, channels)`` each, ``n`` about ``n_frames``; an ``OSError`` if the disk fails."""

    def seek(self, frame: int) -> bool:
        """Go to a frame, exactly or not at all."""

    def close(self) -> None:
        """Let go of the decoder; the file stays open."""


def find_shortfall(decoder: Decoder, n_frames: int) -> str | None:
    """Return why ``n_frames`` samples are fewer than the header claims, by much; None if they are not."""
    held_s = n_frames / decoder.sample_rate
    if not decoder.claim_holds or decoder.claimed_s is None or held_s >= decoder.claimed_s - TOLERANCE_S:
        return None
    return f"the header claims {decoder.claimed_s:.2f} s, {held_s:.2f} s could be read"
