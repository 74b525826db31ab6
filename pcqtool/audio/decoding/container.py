"""Containers that FFmpeg opens (PyAV), and the frames of samples in their streams."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

from pcqtool.audio.decoding.mp3 import n_padding
from pcqtool.errors import AudioError

# A playlist would make FFmpeg open other files and addresses, and wait for them: only containers of sound itself are
# tried, and beyond the open file no protocol is allowed.
CONTAINERS = (
    "aac,ac3,aiff,alaw,amr,amrnb,amrwb,ape,asf,au,avi,caf,dts,eac3,flac,flv,gsm,loas,matroska,mov,mp3,mpeg,mpegts,"
    "mulaw,nistsphere,ogg,qcp,rm,sln,tta,voc,w64,wav,wv"
)
_OPTIONS = {"format_whitelist": CONTAINERS, "protocol_whitelist": "none", "sample_rate": "8000"}  # of headerless sound
_HEADERLESS = {
    ".ulaw": "mulaw",
    ".alaw": "alaw",
}  # known by name alone, beside those that FFmpeg knows: ul, al, gsm, sln
# Decoders that know the pauses of discontinuous transmission, which FFmpeg's own refuse.
_BETTER = {"amrnb": ("libopencore_amrnb", 8000), "amrwb": ("libopencore_amrwb", 16000)}
_RESERVED = {"amrnb": range(9, 15), "amrwb": range(10, 14)}  # types of AMR frames that do not exist
# A broadcast of which the next 64 KiB hold no packet may go on behind them: so much is looked through, 1 GiB.
_MOST_TRIES = 1 << 14
HINT = "Check that it plays elsewhere; copy or export it again if it does not."


def open_container(file: BinaryIO, name: str) -> Any:
    """Open a file from its start.

    Raises:
        AudioError: no container of sound.
        OSError: the file cannot be read.
    """
    import av

    file.seek(0)
    try:
        kind = _HEADERLESS.get(PurePath(name).suffix)
        return av.open(_Source(file), format=kind, options=_OPTIONS, metadata_errors="replace")
    except (av.error.FFmpegError, ValueError) as error:
        raise AudioError(f"{name}: not a recording that can be decoded ({_reason(error)})", HINT) from error


class _Source:
    """A file for FFmpeg, which seeks to where no file is when a header is damaged: that is no fault of the disk's.

    A read goes to the file itself, so that no signal can be lost between here and there.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.name = getattr(file, "name", "")  # by whose ending FFmpeg knows sound without a header
        self.read = file.read
        self.tell = file.tell
        self._seek = file.seek

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a position and return it; a negative error number if there is none."""
        try:
            return self._seek(offset, whence)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            return -errno.EINVAL


class Decoded(NamedTuple):
    """A frame of samples, and how much was refused just before it, in seconds."""

    frame: Any
    refused_s: float


class Frames:
    """The frames of one stream, in order; a packet that FFmpeg refuses is left out and counted.

    Attributes:
        fault: what went wrong up to now; None if nothing.
        refused_s: what was refused since the last frame, in seconds.
        first_dts: the first packet's decode time, in units of the stream; None before it or if it has none.

    Raises:
        OSError: on iteration, if the file cannot be read.
    """

    def __init__(self, container: Any, stream: Any) -> None:
        import av

        self._error = av.error.FFmpegError
        self._container = container
        self._stream = stream
        self._context = _context(stream)
        self._is_mp3 = container.format.name == "mp3"
        self._reserved = _RESERVED.get(stream.codec_context.name, ())
        self._n_refused = 0
        self.fault: str | None = None
        self.refused_s = 0.0
        self.first_dts: int | None = None

    def __iter__(self) -> Iterator[Decoded]:
        for packet in self._packets():
            if self._reserved and packet.size and bytes(packet)[0] >> 3 & 15 in self._reserved:
                self._refuse(packet, "frame types that do not exist")
                continue
            if self._is_mp3 and packet.size:
                packet = _without_padding(packet)
                if packet is None:
                    continue
            try:
                for frame in self._context.decode(packet):
                    refused_s, self.refused_s = self.refused_s, 0.0
                    yield Decoded(frame, refused_s)
            except self._error as error:
                if isinstance(error, EOFError):
                    return
                self._refuse(packet, _reason(error))

    def _packets(self) -> Iterator[Any]:
        """Packets up to the end of the file, and an empty one to end with; see ``fault``."""
        packets = self._container.demux(self._stream)
        n_tries = 0
        while True:
            try:
                packet = next(packets, None)
            except self._error as error:
                n_tries += 1
                if isinstance(error, BlockingIOError) and n_tries < _MOST_TRIES:
                    packets = self._container.demux(self._stream)
                    continue
                self.fault = f"the file cannot be read on: {_reason(error)}"
                return
            except IndexError:  # PyAV stumbles over streams that begin late when it comes to the end
                packet = None
            if packet is None:
                return
            if n_tries and packet.size:  # what is unreadable at the very end is padding
                self.fault = self.fault or "a stretch in the middle of the file cannot be read"
                n_tries = 0
            if self.first_dts is None:
                self.first_dts = packet.dts
            yield packet

    def _refuse(self, packet: Any, reason: str) -> None:
        self._n_refused += 1
        self.refused_s += float((packet.duration or 0) * packet.time_base)
        self.fault = f"{self._n_refused} packet(s) cannot be decoded: {reason}"


def _without_padding(packet: Any) -> Any:
    """Return an MP3's packet without the zeros or the tag before its frame; None if it is nothing else."""
    import av

    content = bytes(packet)
    first = n_padding(content)
    if first == len(content):
        return None
    if not first or not content.startswith(b"\xff", first):
        return packet
    frame = av.Packet(content[first:])
    frame.time_base, frame.duration = packet.time_base, packet.duration
    return frame


def _context(stream: Any) -> Any:
    import av

    name, rate = _BETTER.get(stream.codec_context.name, ("", 0))
    if name in av.codecs_available:
        context: Any = av.CodecContext.create(name, "r")
        context.sample_rate, context.layout = rate, "mono"
        return context
    stream.codec_context.thread_count = 1
    return stream.codec_context


def samples(frame: Any) -> npt.NDArray[np.float32]:
    """An FFmpeg audio frame, in any of its sample formats, as float32 ``(n, channels)`` within -1 to 1."""
    values: npt.NDArray[Any] = frame.to_ndarray()  # planar: (channels, n); packed: (1, n * channels)
    values = values.T if frame.format.is_planar else values.reshape(-1, frame.layout.nb_channels)
    wave: npt.NDArray[np.float32] = np.ascontiguousarray(values, dtype=np.float32)
    if values.dtype.kind == "f":
        return wave
    if values.dtype == np.uint8:
        wave -= np.float32(128)
    wave *= np.float32(2.0 ** (1 - 8 * values.dtype.itemsize))
    return wave


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)
