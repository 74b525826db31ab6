"""Several recordings in one file, decoded one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from pcqtool.audio.decoding.decoder import Decoder, find_shortfall
from pcqtool.errors import AccessError, AudioError


class JoinedDecoder:
    """Several recordings as one. Rate and channels are those of the first; the audio ends where they change.

    Args:
        openers: functions that create the decoder of each part.

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
        self.claim_is_reliable = False
        self.note: str | None = f"{self._n_parts} recordings, joined"
        self.fault: str | None = None

    def _open(self, openers: Sequence[Callable[[], Decoder]]) -> Iterator[Decoder]:
        for self._number, opener in enumerate(openers, start=1):
            try:
                yield opener()
            except AccessError:
                raise
            except AudioError as error:
                self._add_fault(error.what)

    def _add_fault(self, fault: str) -> None:
        self._faults.append(f"part {self._number} of {self._n_parts}: {fault}")

    def blocks(self, n_frames: int) -> Iterator[npt.NDArray[np.float32]]:
        """Yield float32 blocks ``(n, channels)``, see :class:`Decoder`."""
        while (part := self._current) is not None:
            if (part.sample_rate, part.n_channels) != (self.sample_rate, self.n_channels):
                self._add_fault(f"the audio changes to {part.sample_rate} Hz, {part.n_channels} channel(s)")
                break
            n_read = 0
            for block in part.blocks(n_frames):
                n_read += len(block)
                yield block
            part.close()
            if fault := part.fault or find_shortfall(part, n_read):
                self._add_fault(fault)
            self._current = next(self._parts, None)
        self.fault = "; ".join(self._faults) or None

    def seek(self, frame: int) -> bool:
        """Return False: seeking is not supported."""
        return False

    def close(self) -> None:
        """Close the current part's decoder."""
        if self._current is not None:
            self._current.close()
        self._current = None
