"""Decoding through FFmpeg (PyAV): m4a, AAC, AMR, WebM, WMA, the sound of a video, and MP3.

libsndfile reads MP3 too, but takes the length from the header or from a guess and drops what lies beyond: of a file of
variable bit rate that states no length, or of several joined into one, a large part.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

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

# Containers whose header states the length of the sound; elsewhere FFmpeg guesses it from the bit rate.
_LENGTH_IN_HEADER = ("mov", "matroska")


class FFmpegDecoder:
    """One recording's first audio stream, read by FFmpeg.

    Rate and channels are those of the first decoded frame: for HE-AAC and others the header's are wrong.

    Args:
        file: open at its start.
        name: for messages.

    Raises:
        AudioError: not a recording, no audio stream, or nothing in it can be decoded.
    """

    def __init__(self, file: BinaryIO, name: str) -> None:
        import av

        self._av_error = av.error.FFmpegError
        self.fault: str | None = None
        self.note: str | None = None
        self._n_bad = 0
        self._states_length = _mp3_states_length(file)
        try:
            self._container: Any = av.open(file, format=_HEADERLESS.get(PurePath(name).suffix), options=_OPTIONS)
        except (self._av_error, ValueError) as error:
            raise AudioError(f"{name}: not a recording that can be decoded ({_reason(error)})", _HINT) from error
        try:
            self._open_stream(name)
        except BaseException:
            self.close()
            raise

    def _open_stream(self, name: str) -> None:
        streams = self._container.streams.audio
        if not streams:
            raise AudioError(f"{name}: has no audio stream", "Only files with sound can be labelled.")
        self._stream = streams[0]
        self._stream.codec_context.thread_count = 1
        self._frames = self._decode()
        self._first = next(self._frames, None)
        if self._first is None and self._n_bad:
            raise AudioError(f"{name}: nothing in it can be decoded ({self.fault})", _HINT)
        context = self._stream.codec_context
        self.sample_rate: int = self._first.sample_rate if self._first else context.sample_rate or 0
        self.n_channels: int = self._first.layout.nb_channels if self._first else context.channels or 0
        self.format: str = self._container.format.name
        self.claim_holds = self._states_length if self.format == "mp3" else self.format.startswith(_LENGTH_IN_HEADER)
        self.claimed_s = self._claimed_s()

    def _claimed_s(self) -> float | None:
        if self._stream.duration is not None and self._stream.time_base is not None:
            return float(self._stream.duration * self._stream.time_base)
        if tag := self._stream.metadata.get("DURATION"):  # Matroska: 00:00:05.008000000
            hours, minutes, seconds = tag.split(":")
            return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
        self.claim_holds = False  # the container's length may be that of a video
        return float(self._container.duration / 1e6) if self._container.duration else None

    def _decode(self) -> Iterator[Any]:
        """Decode frame by frame; a packet that FFmpeg refuses is left out and counted."""
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
            except self._av_error as error:
                self.fault = f"the file cannot be read on: {_reason(error)}"
                return
            if packet is None:
                return
            try:
                yield from packet.decode()
            except self._av_error as error:
                if isinstance(error, EOFError):
                    return
                self._n_bad += 1
                self.fault = f"{self._n_bad} packet(s) cannot be decoded: {_reason(error)}"

    def blocks(self, n_frames: int) -> Iterator[npt.NDArray[np.float32]]:
        """Decode onwards in blocks of about ``n_frames``: float32 ``(n, channels)``; see ``fault`` afterwards."""
        held: list[npt.NDArray[np.float32]] = []
        n_held = 0
        frame, self._first = self._first, None
        while frame is not None:
            if (frame.sample_rate, frame.layout.nb_channels) != (self.sample_rate, self.n_channels):
                self.fault = f"the sound changes to {frame.sample_rate} Hz, {frame.layout.nb_channels} channel(s)"
                break
            held.append(samples(frame))
            n_held += frame.samples
            if n_held >= n_frames:
                yield np.concatenate(held)
                held, n_held = [], 0
            frame = next(self._frames, None)
        if n_held:
            yield np.concatenate(held)

    def seek(self, frame: int) -> bool:
        """FFmpeg's seeking is not exact to the sample: always False."""
        return False

    def close(self) -> None:
        """Let go of the decoder; the file stays open."""
        self._container.close()


def looks_like_mpeg(file: BinaryIO) -> bool:
    """Whether a file begins as MP3 and raw AAC do: with a tag, or the eleven set bits of a frame; goes back to 0."""
    head = file.read(3)
    file.seek(0)
    return head == b"ID3" or (head[:1] == b"\xff" and head[1:2] >= b"\xe0")


def holds_several_ogg_streams(file: BinaryIO) -> bool:
    """Whether an Ogg file's last page belongs to another stream than its first; goes back to 0.

    Recordings joined into one, or a video: of these libsndfile reads the first alone, and does not say so.
    """
    first = file.read(18)
    file.seek(max(0, file.seek(0, os.SEEK_END) - 2 * 65536))  # a page has at most 65 307 bytes
    tail = file.read()
    file.seek(0)
    last = tail[tail.rfind(b"OggS") :][:18]
    return first.startswith(b"OggS") and len(last) == 18 and last[14:] != first[14:]


def _mp3_states_length(file: BinaryIO) -> bool:
    """Whether an MP3's first frame states its length; else FFmpeg guesses it from the bit rate. Goes back to 0."""
    head = file.read(10)
    # a tag's size is four times 7 bits
    size = sum(byte << shift for byte, shift in zip(head[6:], (21, 14, 7, 0), strict=False))
    file.seek(10 + size if head.startswith(b"ID3") else 0)
    frame = file.read(4096)
    file.seek(0)
    return any(tag in frame for tag in (b"Xing", b"Info", b"VBRI"))


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


_HINT = "Check that it plays elsewhere; copy or export it again if it does not."


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)
