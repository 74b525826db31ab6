"""Any recording as a stream of float32 blocks at its own rate: libsndfile first, FFmpeg for what that cannot read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import BinaryIO, Self

import numpy as np
import numpy.typing as npt
import soundfile

from pcqtool.audio.decoding.access import check_length, open_file, reading
from pcqtool.audio.decoding.decoder import Decoder, find_shortfall
from pcqtool.audio.decoding.ffmpeg import FFmpegDecoder
from pcqtool.audio.decoding.file_view import part_of, size_of
from pcqtool.audio.decoding.flac import FlacDecoder, flac_ends, is_flac
from pcqtool.audio.decoding.joined import JoinedDecoder
from pcqtool.audio.decoding.mpeg import looks_like_mpeg, tagged_start
from pcqtool.audio.decoding.ogg import Link, is_ogg, links
from pcqtool.audio.decoding.sndfile import SndfileDecoder
from pcqtool.audio.decoding.uncounted import find, joined_ends
from pcqtool.errors import AudioError
from pcqtool.files.display import display_path

BLOCK_S = 10.0
BLOCK_VALUES = 1 << 22  # samples of all channels together: 16 MiB a block, whatever the rate and channel count
RATES = range(1_000, 768_001)  # Hz


class Recording:
    """An open recording. Use it as a context manager and run through its blocks once.

    Attributes:
        sample_rate: in Hz, the file's own.
        n_channels: of the file.
        claimed_s: the length that the header states, an estimate for some formats, None where it states none.
        n_frames: samples of one channel decoded so far, from the file's start.
        note: what to know of how it is read, such as which of its audio tracks was taken; None if nothing.
        shortfall: after the blocks have run out: why fewer samples came than the header claims; None if all came.
    """

    def __init__(self, path: Path, decoder: Decoder, file: BinaryIO, n_bytes: int) -> None:
        self.path = path
        self.sample_rate = decoder.sample_rate
        self.n_channels = decoder.n_channels
        self.claimed_s = decoder.claimed_s
        self.n_frames = 0
        self.note = decoder.note
        self.shortfall: str | None = None
        self._decoder = decoder
        self._file = file
        self._n_bytes = n_bytes
        self._exit = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._exit.close()

    def seek(self, frame: int) -> bool:
        """Start at this frame, where the format allows it to the sample; else do nothing and say False."""
        if frame and not self._decoder.seek(frame):
            return False
        self.n_frames = frame
        return True

    def blocks(self, block_s: float = BLOCK_S) -> Iterator[npt.NDArray[np.float32]]:
        """Decode the recording onwards.

        Shape:
            each block: ``(n, n_channels)`` float32, ``n`` at most about ``block_s`` seconds.

        A block with a sample that is NaN or infinite is not given, and ends the recording as damage does.

        Raises:
            AudioError: the very first block cannot be decoded, or holds such a sample.
            AccessError: the disk does not let the file be read to its end, or it became shorter meanwhile.
        """
        n_block = max(1, min(round(block_s * self.sample_rate), BLOCK_VALUES // self.n_channels))
        fault = None
        with reading(self.path):
            for block in self._decoder.blocks(n_block):
                finite = np.isfinite(block)
                if not finite.all():
                    first = self.n_frames + int(finite.all(axis=1).argmin())
                    fault = f"a sample at {first / self.sample_rate:.2f} s is NaN or infinite"
                    break
                self.n_frames += len(block)
                yield block
        check_length(self._file, self.path, self._n_bytes)
        fault = fault or self._decoder.fault
        if fault and not self.n_frames:
            raise AudioError(
                f"{display_path(self.path)}: its beginning cannot be decoded ({fault})",
                "The file is damaged; copy or export it again.",
            )
        reasons = (fault, find_shortfall(self._decoder, self.n_frames))
        self.shortfall = "; ".join(reason for reason in reasons if reason) or None


def open_recording(path: str | Path, thorough: bool = True) -> Recording:
    """Open a recording of any format, by its content and not by its name.

    A file that holds no samples is a recording without blocks, not an error.

    Args:
        path: of the file.
        thorough: whether to look through the file for what the header does not tell, as is needed before its blocks
            are read: which of several tracks holds sound, and whether recordings were joined.

    Raises:
        AudioError: a directory, of 0 bytes, not audio, without an audio stream, or of an absurd sample rate.
        AccessError: missing, or the disk does not let it be read.
    """
    path = Path(path)
    with ExitStack() as stack:
        file = stack.enter_context(open_file(path))
        with reading(path):
            n_bytes = size_of(file)
            decoder = _decoder(file, path, thorough)
        stack.callback(decoder.close)
        if decoder.sample_rate not in RATES:
            raise AudioError(
                f"{display_path(path)}: a sample rate of {decoder.sample_rate} Hz cannot be right",
                f"Rates from {RATES.start} to {RATES.stop - 1} Hz are read; the header may be damaged.",
            )
        if decoder.n_channels < 1:
            raise AudioError(f"{display_path(path)}: has no channels", "The header may be damaged.")
        recording = Recording(path, decoder, file, n_bytes)
        recording._exit = stack.pop_all()
    return recording


def _decoder(file: BinaryIO, path: Path, thorough: bool) -> Decoder:
    if start := tagged_start(file):
        file = part_of(file, start, size_of(file))
    if looks_like_mpeg(file):
        return FFmpegDecoder(file, display_path(path), thorough)
    if thorough and is_ogg(file):
        found = links(file)
        if len(found) == 1:
            return _ogg(file, path, found[0])
        return JoinedDecoder([partial(_ogg, part_of(file, link.start, link.end), path, link) for link in found])
    ends = flac_ends(file) if thorough and is_flac(file) else joined_ends(file)
    if ends:
        starts = [0, *ends[:-1]]
        parts = [part_of(file, start, end) for start, end in zip(starts, ends, strict=True)]
        return JoinedDecoder([partial(_counted, part, path, thorough) for part in parts])
    return _counted(file, path, thorough)


def _counted(file: BinaryIO, path: Path, thorough: bool) -> Decoder:
    """A recording of which all is read, whatever its header counts."""
    whole = find(file)
    decoder = _sndfile(whole.file if whole else file, path, thorough)
    if whole:
        decoder.note, decoder.fault = whole.note, whole.fault or decoder.fault
    return decoder


def _ogg(file: BinaryIO, path: Path, link: Link) -> Decoder:
    """A link of an Ogg file; libsndfile knows neither pictures nor gaps, nor sound that is not counted."""
    beyond = link.n_streams > 1 or link.gap or link.excess
    decoder = _ffmpeg(file, path, True) if beyond else _sndfile(file, path, True)
    decoder.fault = link.fault or decoder.fault
    return decoder


def _sndfile(file: BinaryIO, path: Path, thorough: bool) -> Decoder:
    try:
        return FlacDecoder(file) if is_flac(file) else SndfileDecoder(file)
    except soundfile.SoundFileError:
        return _ffmpeg(file, path, thorough)


def _ffmpeg(file: BinaryIO, path: Path, thorough: bool) -> Decoder:
    file.seek(0)
    return FFmpegDecoder(file, display_path(path), thorough)
