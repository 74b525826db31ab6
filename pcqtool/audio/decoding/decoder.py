"""The interface of all decoders."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
import numpy.typing as npt

TOLERANCE_S = 0.1  # delay and padding of codecs, which headers may or may not count


class Decoder(Protocol):
    """A decoder of one kind of file. The file stays open when the decoder is closed."""

    format: str  # name of the container or encoding
    sample_rate: int  # Hz
    n_channels: int
    claimed_s: float | None  # the duration according to the header
    claim_is_reliable: bool  # False if this duration is an estimate
    fault: str | None  # what went wrong, complete after the last block
    note: str | None  # how the file is read, if not in the usual way

    def blocks(self, n_frames: int) -> Iterator[npt.NDArray[np.float32]]:
        """Yield float32 blocks ``(n, channels)``, ``n`` about ``n_frames``; raise ``OSError`` if the disk fails."""

    def seek(self, frame: int) -> bool:
        """Go to a frame and return True; return False if that cannot be exact."""

    def close(self) -> None:
        """Close the decoder."""


def find_shortfall(decoder: Decoder, n_frames: int) -> str | None:
    """Describe by how much ``n_frames`` falls short of the header's claim; None if it does not."""
    decoded_s = n_frames / decoder.sample_rate
    if not decoder.claim_is_reliable or decoder.claimed_s is None or decoded_s >= decoder.claimed_s - TOLERANCE_S:
        return None
    return f"the header claims {decoder.claimed_s:.2f} s, {decoded_s:.2f} s could be read"
