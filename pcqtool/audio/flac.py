"""FLAC files that hold more than their first header counts: several joined into one, or a count that is too small."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, cast

import numpy as np
import numpy.typing as npt
import soundfile

from pcqtool.audio.chunks import STRAY
from pcqtool.audio.decoder import find_shortfall
from pcqtool.audio.sndfile import SndfileDecoder
from pcqtool.audio.view import Stretch, View, part_of, size_of

_BEGINNINGS = (b"fLaC\x00\x00\x00\x22", b"fLaC\x80\x00\x00\x22")  # with the header of STREAMINFO, alone or not
_COUNT = Stretch(18, 26)  # where STREAMINFO has the number of samples, in the last 36 bits
_AHEAD = 1 << 16  # bytes that libFLAC may have read beyond the last sample that it gave
_CHUNK = 1 << 16


def is_flac(file: BinaryIO) -> bool:
    """Whether a file begins as FLAC does; goes back to 0."""
    head = file.read(8)
    file.seek(0)
    return head in _BEGINNINGS


def next_beginning(file: BinaryIO, start: int) -> int | None:
    """Return where from ``start`` on the next FLAC file begins; None if none does."""
    held = b""
    file.seek(start)
    while chunk := file.read(_CHUNK):
        content = held + chunk
        found = [at for at in map(content.find, _BEGINNINGS) if at >= 0]
        if found:
            return start + min(found)
        held = content[-7:]
        start += len(content) - len(held)
    return None


class FlacDecoder(SndfileDecoder):
    """A FLAC file, read to the end of its sound and not to that of its count."""

    def blocks(self, n_frames: int) -> Iterator[npt.NDArray[np.float32]]:
        """Decode onwards, see :meth:`SndfileDecoder.blocks`."""
        n_read = 0
        for block in super().blocks(n_frames):
            n_read += len(block)
            yield block
        if self.fault is not None:
            return
        at, size = self._file.tell(), size_of(self._file)
        start = next_beginning(self._file, max(len(_BEGINNINGS[0]), at - _AHEAD))
        end = size if start is None else start
        if end - at > STRAY:
            yield from self._uncounted(n_frames, n_read, end)
        if start is not None:
            yield from self._joined(n_frames, part_of(self._file, start, size))

    def _uncounted(self, n_frames: int, n_read: int, end: int) -> Iterator[npt.NDArray[np.float32]]:
        """What stands up to ``end`` behind the last sample that is counted: sound, or a tag, which gives none."""
        self._file.seek(_COUNT.start)
        count = int.from_bytes(self._file.read(8), "big") >> 36 << 36  # none is stated then
        parts = (Stretch(0, _COUNT.start), count.to_bytes(8, "big"), Stretch(_COUNT.end, end))
        try:
            whole = SndfileDecoder(cast(BinaryIO, View(self._file, parts)))
        except soundfile.SoundFileError:
            return
        for block in whole.blocks(n_frames):
            if len(block) > n_read:
                yield block[n_read:]
            n_read = max(0, n_read - len(block))
        whole.close()

    def _joined(self, n_frames: int, file: BinaryIO) -> Iterator[npt.NDArray[np.float32]]:
        """The sound of a file that was joined to this one, and of those that were joined to it."""
        try:
            part = FlacDecoder(file)
        except soundfile.SoundFileError as error:
            self.fault = f"a FLAC file that was joined to it cannot be decoded: {error}"
            return
        if (part.sample_rate, part.n_channels) == (self.sample_rate, self.n_channels):
            n_read = 0
            for block in part.blocks(n_frames):
                n_read += len(block)
                yield block
            self.fault = part.fault or find_shortfall(part, n_read)
        else:
            self.fault = f"the sound changes to {part.sample_rate} Hz, {part.n_channels} channel(s)"
        part.close()
