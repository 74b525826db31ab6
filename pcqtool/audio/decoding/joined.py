"""Recordings that were joined into one file, read one behind the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from pcqtool.audio.decoding.decoder import Decoder, find_shortfall
from pcqtool.errors import AccessError, AudioError


class JoinedDecoder:
    """Several recordings as one; rate and channels are the first's, and the sound ends where they change.

    Args:
        openers: each makes the decoder of a part, when its turn has come.

    Raises:
        AudioError: none of the parts can be decoded.
        OSError: the file cannot be read.
    """

    def __init__(self, openers: Sequence[Callable[[], Decoder]]) -> None:
        self._faults: list[str] = []
        self._n_parts = len(openers)
        self._parts = self._open(openers)
        self._current = next(self._parts, None)
        if self._current is None:
            raise AudioError(self._faults[0], "None of the recordings that were joined into this file can be read.")
        self.format = self._current.format
        self.sample_rate = self._current.sample_rate
        self.n_channels = self._current.n_channels
        self.claimed_s: float | None = None
        self.claim_holds = False
        self.note: str | None = f"{self._n_parts} recordings, joined"
        self.fault: str | None = None

    def _open(self, openers: Sequence[Callable[[], Decoder]]) -> Iterator[Decoder]:
        for self._number, opener in enumerate(openers, start=1):
            try:
                yield opener()
            except AccessError:
                raise
            except AudioError as error:
                self._tell(error.what)

    def _tell(self, fault: str) -> None:
        self._faults.append(f"part {self._number} of {self._n_parts}: {fault}")

    def blocks(self, n_frames: int) -> Iterator[npt.NDArray[np.float32]]:
        """Decode onwards, at most about ``n_frames`` at a time: float32 ``(n, channels)``; see ``fault`` afterwards.

        Raises:
            OSError: the file cannot be read.
        """
        while (part := self._current) is not None:
            if (part.sample_rate, part.n_channels) != (self.sample_rate, self.n_channels):
                self._tell(f"the sound changes to {part.sample_rate} Hz, {part.n_channels} channel(s)")
                break
            n_read = 0
            for block in part.blocks(n_frames):
                n_read += len(block)
                yield block
            part.close()
            if fault := part.fault or find_shortfall(part, n_read):
                self._tell(fault)
            self._current = next(self._parts, None)
        self.fault = "; ".join(self._faults) or None

    def seek(self, frame: int) -> bool:
        """Go nowhere: always False."""
        return False

    def close(self) -> None:
        """Let go of the decoders; the file stays open."""
        if self._current is not None:
            self._current.close()
        self._current = None
