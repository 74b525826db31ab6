"""Any recording as a stream of float32 blocks at its own rate, decoded by libsndfile or else by FFmpeg."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import BinaryIO, Self

import numpy as np
import numpy.typing as npt
import soundfile

from pcqtool.audio.decoding.byte_range import file_size, view_range
from pcqtool.audio.decoding.concatenated import JoinedDecoder
from pcqtool.audio.decoding.decoder import Decoder, find_shortfall
from pcqtool.audio.decoding.ffmpeg import FFmpegDecoder
from pcqtool.audio.decoding.flac import FlacDecoder, flac_ends, is_flac
from pcqtool.audio.decoding.header_repair import joined_ends, repair_header
from pcqtool.audio.decoding.mp3 import looks_like_mpeg, start_after_tags
from pcqtool.audio.decoding.ogg import Link, find_links, is_ogg
from pcqtool.audio.decoding.open_file import access_errors, check_size, open_file
from pcqtool.audio.decoding.sndfile import SndfileDecoder
from pcqtool.errors import AudioError
from pcqtool.files.display import display_path

BLOCK_S = 10.0
MAX_BLOCK_VALUES = 1 << 22  # samples of all channels together: 16 MiB per block at any rate and channel count
SAMPLE_RATES = range(1_000, 768_001)  # Hz


class Recording:
    """An open recording. Use it as a context manager and iterate over its blocks once.

    Args:
        path: of the file.
        decoder: of the file's content.
        file: open; the decoder reads it.
        n_bytes: size of the file when it was opened.
        resources: closed with the recording.

    Attributes:
        sample_rate: in Hz, the file's own.
        n_channels: of the file.
        claimed_s: the duration according to the header; an estimate for some formats, None if not stated.
        n_frames: samples of one channel decoded so far, counted from the file's start.
        note: how the file was read if not in the usual way, such as the choice among its audio tracks; None otherwise.
        shortfall: after the last block: why fewer samples were decoded than the header claims; None if all were.
    """

    def __init__(self, path: Path, decoder: Decoder, file: BinaryIO, n_bytes: int, resources: ExitStack) -> None:
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
        self._resources = resources

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the decoder and the file."""
        self._resources.close()

    def seek(self, frame: int) -> bool:
        """Start at this frame and return True; return False if the format has no sample-accurate seeking."""
        if frame and not self._decoder.seek(frame):
            return False
        self.n_frames = frame
        return True

    def blocks(self, block_s: float = BLOCK_S) -> Iterator[npt.NDArray[np.float32]]:
        """Decode the recording from the current position.

        A block with a sample that is NaN or infinite is not returned; it ends the recording as damage does.

        Shape:
            each block: ``(n, n_channels)`` float32, ``n`` at most about ``block_s`` seconds.

        Raises:
            AudioError: the very first block cannot be decoded, or contains such a sample.
            AccessError: the disk cannot read the file to its end, or the file has become shorter.
        """
        n_block = max(1, min(round(block_s * self.sample_rate), MAX_BLOCK_VALUES // self.n_channels))
        fault = None
        with access_errors(self.path):
            for block in self._decoder.blocks(n_block):
                finite = np.isfinite(block)
                if not finite.all():
                    first = self.n_frames + int(finite.all(axis=1).argmin())
                    fault = f"a sample at {first / self.sample_rate:.2f} s is NaN or infinite"
                    break
                self.n_frames += len(block)
                yield block
        check_size(self._file, self.path, self._n_bytes)
        fault = fault or self._decoder.fault
        if fault and not self.n_frames:
            raise AudioError(
                f"{display_path(self.path)}: its beginning cannot be decoded ({fault})",
                "The file is damaged; copy or export it again.",
            )
        reasons = (fault, find_shortfall(self._decoder, self.n_frames))
        self.shortfall = "; ".join(reason for reason in reasons if reason) or None


def open_recording(path: str | Path, thorough: bool = True) -> Recording:
    """Open a recording of any format; the content decides the format, not the name.

    A file without samples is a recording without blocks, not an error.

    Args:
        path: of the file.
        thorough: whether to search the file for facts that the header does not state: which of several tracks is not
            silent, and whether recordings were joined. Needed before its blocks are read.

    Raises:
        AudioError: a directory, 0 bytes, not audio, no audio stream, or an absurd sample rate.
        AccessError: the file is missing, or the disk cannot read it.
    """
    path = Path(path)
    with ExitStack() as stack:
        file = stack.enter_context(open_file(path))
        with access_errors(path):
            n_bytes = file_size(file)
            decoder = _decoder(file, path, thorough)
        stack.callback(decoder.close)
        if decoder.sample_rate not in SAMPLE_RATES:
            raise AudioError(
                f"{display_path(path)}: a sample rate of {decoder.sample_rate} Hz cannot be right",
                f"Supported are {SAMPLE_RATES.start} to {SAMPLE_RATES.stop - 1} Hz; the header may be damaged.",
            )
        if decoder.n_channels < 1:
            raise AudioError(f"{display_path(path)}: has no channels", "The header may be damaged.")
        return Recording(path, decoder, file, n_bytes, stack.pop_all())


def _decoder(file: BinaryIO, path: Path, thorough: bool) -> Decoder:
    if start := start_after_tags(file):
        file = view_range(file, start, file_size(file))
    if looks_like_mpeg(file):
        return FFmpegDecoder(file, display_path(path), thorough)
    if thorough and is_ogg(file):
        links = find_links(file)
        if len(links) == 1:
            return _ogg(file, path, links[0])
        return JoinedDecoder([partial(_ogg, view_range(file, link.start, link.end), path, link) for link in links])
    ends = flac_ends(file) if thorough and is_flac(file) else joined_ends(file)
    if ends:
        starts = [0, *ends[:-1]]
        parts = [view_range(file, start, end) for start, end in zip(starts, ends, strict=True)]
        return JoinedDecoder([partial(_with_true_header, part, path, thorough) for part in parts])
    return _with_true_header(file, path, thorough)


def _with_true_header(file: BinaryIO, path: Path, thorough: bool) -> Decoder:
    """Return a decoder of all audio in a file, even if its header counts less."""
    repaired = repair_header(file)
    decoder = _sndfile(repaired.file if repaired else file, path, thorough)
    if repaired:
        decoder.note, decoder.fault = repaired.note, repaired.fault or decoder.fault
    return decoder


def _ogg(file: BinaryIO, path: Path, link: Link) -> Decoder:
    """Return a decoder of one link of an Ogg file; libsndfile supports no pictures, gaps or uncounted audio."""
    unsupported = link.n_streams > 1 or link.gap or link.excess
    decoder = _ffmpeg(file, path, True) if unsupported else _sndfile(file, path, True)
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
