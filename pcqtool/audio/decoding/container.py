"""Containers opened with FFmpeg (PyAV), and the decoded frames of their streams."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

from pcqtool.audio.decoding.mp3 import padding_size
from pcqtool.errors import AudioError

# A playlist would make FFmpeg open other files and addresses, and wait for them. Therefore only containers of audio are
# allowed, and no protocols.
CONTAINERS = (
    "aac,ac3,aiff,alaw,amr,amrnb,amrwb,ape,asf,au,avi,caf,dts,eac3,flac,flv,gsm,loas,matroska,mov,mp3,mpeg,mpegts,"
    "mulaw,nistsphere,ogg,qcp,rm,sln,tta,voc,w64,wav,wv"
)
# The sample rate is for headerless audio.
_OPTIONS = {
    "format_whitelist": CONTAINERS,
    "protocol_whitelist": "none",
    "sample_rate": "8000",
}
_HEADERLESS = {
    ".ulaw": "mulaw",
    ".alaw": "alaw",
}  # known by their extension, beside those that FFmpeg knows: ul, al, gsm, sln
# Decoders that support the pauses of discontinuous transmission, which FFmpeg's own reject.
_PREFERRED_DECODERS = {"amrnb": ("libopencore_amrnb", 8000), "amrwb": ("libopencore_amrwb", 16000)}
_RESERVED = {"amrnb": range(9, 15), "amrwb": range(10, 14)}  # undefined types of AMR frames
# A broadcast without a packet in the next 64 KiB may continue after them: up to 1 GiB is searched.
_MAX_TRIES = 1 << 14
HINT = "Check that it plays elsewhere; copy or export it again if it does not."


def open_container(file: BinaryIO, name: str) -> Any:
    """Open a file from its start.

    Raises:
        AudioError: not an audio container.
        OSError: the file cannot be read.
    """
    import av

    file.seek(0)
    try:
        kind = _HEADERLESS.get(PurePath(name).suffix)
        return av.open(_SeekableFile(file), format=kind, options=_OPTIONS, metadata_errors="replace")
    except (av.error.FFmpegError, ValueError) as error:
        raise AudioError(f"{name}: not a recording that can be decoded ({_reason(error)})", HINT) from error


class _SeekableFile:
    """A file for FFmpeg, in which an invalid position is not an error: a damaged header can lead there.

    ``read`` is the file's own method, so that no Python code in between can swallow a signal.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.name = getattr(file, "name", "")  # FFmpeg recognises headerless audio by its extension
        self.read = file.read
        self.tell = file.tell
        self._seek = file.seek

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a position and return it; return a negative error number if it is invalid."""
        try:
            return self._seek(offset, whence)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            return -errno.EINVAL


class DecodedFrame(NamedTuple):
    """A frame of samples, and the duration of the packets rejected just before it, in seconds."""

    frame: Any
    rejected_s: float


class FrameDecoder:
    """The frames of one stream, in order. A packet that FFmpeg rejects is skipped and counted.

    Attributes:
        fault: what has gone wrong so far; None if nothing.
        rejected_s: duration of the packets rejected since the last frame, in seconds.
        first_dts: decode time of the first packet, in units of the stream; None before it or without one.

    Raises:
        OSError: on iteration, if the file cannot be read.
    """

    def __init__(self, container: Any, stream: Any) -> None:
        import av

        self._error = av.error.FFmpegError
        self._container = container
        self._stream = stream
        self._context = _codec_context(stream)
        self._is_mp3 = container.format.name == "mp3"
        self._reserved = _RESERVED.get(stream.codec_context.name, ())
        self._n_rejected = 0
        self.fault: str | None = None
        self.rejected_s = 0.0
        self.first_dts: int | None = None

    def __iter__(self) -> Iterator[DecodedFrame]:
        for packet in self._packets():
            if self._reserved and packet.size and bytes(packet)[0] >> 3 & 15 in self._reserved:
                self._reject(packet, "frame types that do not exist")
                continue
            if self._is_mp3 and packet.size:
                packet = _without_padding(packet)
                if packet is None:
                    continue
            try:
                for frame in self._context.decode(packet):
                    rejected_s, self.rejected_s = self.rejected_s, 0.0
                    yield DecodedFrame(frame, rejected_s)
            except self._error as error:
                if isinstance(error, EOFError):
                    return
                self._reject(packet, _reason(error))

    def _packets(self) -> Iterator[Any]:
        """Yield the packets of the file, with an empty one at the end; an unreadable rest sets ``fault``."""
        packets = self._container.demux(self._stream)
        n_tries = 0
        while True:
            try:
                packet = next(packets, None)
            except self._error as error:
                n_tries += 1
                if isinstance(error, BlockingIOError) and n_tries < _MAX_TRIES:
                    packets = self._container.demux(self._stream)
                    continue
                self.fault = f"the rest of the file cannot be read: {_reason(error)}"
                return
            except IndexError:  # PyAV fails at the end of a file whose streams begin late
                packet = None
            if packet is None:
                return
            if n_tries and packet.size:  # unreadable bytes at the very end are padding
                self.fault = self.fault or "a stretch in the middle of the file cannot be read"
                n_tries = 0
            if self.first_dts is None:
                self.first_dts = packet.dts
            yield packet

    def _reject(self, packet: Any, reason: str) -> None:
        self._n_rejected += 1
        self.rejected_s += float((packet.duration or 0) * packet.time_base)
        self.fault = f"{self._n_rejected} packet(s) cannot be decoded: {reason}"


def _without_padding(packet: Any) -> Any:
    """Return an MP3's packet without zeros or a tag before its frame; None if no frame is left."""
    import av

    content = bytes(packet)
    first = padding_size(content)
    if first == len(content):
        return None
    if not first or not content.startswith(b"\xff", first):
        return packet
    frame = av.Packet(content[first:])
    frame.time_base, frame.duration = packet.time_base, packet.duration
    return frame


def _codec_context(stream: Any) -> Any:
    import av

    name, rate = _PREFERRED_DECODERS.get(stream.codec_context.name, ("", 0))
    if name in av.codecs_available:
        context: Any = av.CodecContext.create(name, "r")
        context.sample_rate, context.layout = rate, "mono"
        return context
    stream.codec_context.thread_count = 1
    return stream.codec_context


def to_float32(frame: Any) -> npt.NDArray[np.float32]:
    """Convert an FFmpeg audio frame of any sample format to float32 ``(n, channels)``, -1 to 1."""
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
