"""Decoding with FFmpeg (PyAV): m4a, AAC, AMR, WebM, WMA, the audio of videos, and MP3.

libsndfile reads MP3 too, but takes the length from the header or guesses it, and drops the rest: a large part of a file
with a variable bit rate and no stated length, or of several files joined into one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain, pairwise
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from pcqtool.audio.decoding.container import HINT, DecodedFrame, FrameDecoder, open_container, to_float32
from pcqtool.audio.decoding.mp3 import stated_duration_s, without_tags
from pcqtool.audio.decoding.mp4_fragments import first_time
from pcqtool.audio.decoding.timeline import MAX_GAP_S, Timeline
from pcqtool.audio.decoding.track_selection import choose_track, is_silence
from pcqtool.errors import AudioError

# Containers whose header states the duration of the audio; for others, FFmpeg guesses it from the bit rate.
_DURATION_IN_HEADER = ("mov", "matroska")
# Containers whose packets have timestamps; for others, FFmpeg counts samples.
_TIMESTAMPED = ("mov", "matroska", "mpeg", "flv", "asf", "ogg")
# Codecs whose timestamps are exact from the first frame on: the decoder drops two frames, but counts them.
_EXACT = ("wmav1", "wmav2")
_CLOCK = re.compile(r"(\d+):(\d+):(\d+(?:\.\d+)?)")
_MAX_DELAY_S = 0.5
_SILENCE_BLOCK = 4096  # samples of silence at a time, about as many as a frame has
_N_HEAD = 1 << 16  # bytes at the start in which an MP4 states that it is fragmented


class FFmpegDecoder:
    """A :class:`Decoder` that uses FFmpeg, with silence for gaps in the timestamps of the audio track.

    Rate and channels are those of the first decoded frame: for HE-AAC and others, the header's are wrong.

    Args:
        file: open.
        name: for messages.
        thorough: whether to search several tracks for one that is not silent.

    Raises:
        AudioError: not a recording, no audio stream, or no frame can be decoded.
        OSError: the file cannot be read.
    """

    def __init__(self, file: BinaryIO, name: str, thorough: bool = True) -> None:
        self._file = file
        self._name = name
        self._stated_s = stated_duration_s(file)
        self._fragmented = b"mvex" in file.read(_N_HEAD)
        self.note: str | None = None
        self._container = open_container(file, name)
        try:
            if thorough and self._container.format.name == "mp3":
                self._skip_tags()
            self._open_stream(self._choose_track(thorough))
        except BaseException:
            self.close()
            raise

    def _skip_tags(self) -> None:
        audio = without_tags(self._file)
        self._container.close()
        self._file = audio
        self._container = open_container(self._file, self._name)

    def _choose_track(self, thorough: bool) -> int:
        """Return the number of the audio track to decode, counted from 0."""
        streams = self._container.streams.audio
        if not streams:
            raise AudioError(f"{self._name}: has no audio stream", "Only files with audio can be processed.")
        if all(stream.codec_context is None for stream in streams):
            raise AudioError(f"{self._name}: no decoder supports its audio", HINT)
        if len(streams) == 1:
            return 0
        number, why = choose_track(list(streams), self._is_silent if thorough else None)
        self.note = f"audio track {number + 1} of {len(streams)} ({why})"
        return number

    def _is_silent(self, number: int) -> bool:
        container = open_container(self._file, self._name)
        try:
            frames = FrameDecoder(container, container.streams.audio[number])
            return is_silence(to_float32(decoded.frame) for decoded in frames)
        finally:
            container.close()

    def _open_stream(self, number: int) -> None:
        if self.note is not None:  # the search for a track has moved the file's position
            self._container.close()
            self._container = open_container(self._file, self._name)
        self._stream = self._container.streams.audio[number]
        self._frames = FrameDecoder(self._container, self._stream)
        self._decoded = iter(self._frames)
        self._first = next(self._decoded, None)
        fault = self._frames.fault or ("it contains no frame" if self._container.format.name == "mp3" else None)
        if self._first is None and fault:
            raise AudioError(f"{self._name}: nothing in it can be decoded ({fault})", HINT)
        context, frame = self._stream.codec_context, self._first and self._first.frame
        self.sample_rate: int = frame.sample_rate if frame else context.sample_rate or 0
        self.n_channels: int = frame.layout.nb_channels if frame else context.channels or 0
        self.format: str = self._container.format.name
        self.claim_is_reliable = self.format.startswith(_DURATION_IN_HEADER)
        self._zero_s = 0.0  # the timestamp that a player calls 0
        self._exact = context.name in _EXACT
        self._timeline = self._make_timeline()
        self.claimed_s = self._claimed_s()
        self.fault: str | None = None

    def _make_timeline(self) -> Timeline | None:
        """Return the timeline of a container whose packets have timestamps; None for other containers."""
        if not self.format.startswith(_TIMESTAMPED):
            return None
        start_s = (self._container.start_time or 0) / 1e6
        duration_s = self._container.duration / 1e6 if self._container.duration else None
        if self.format.startswith("mov"):
            from_zero = not self._fragmented
        else:  # a broadcast recorded from some time on states no duration
            from_zero = self.format.startswith("matroska") and duration_s is not None and start_s < duration_s
        from_zero = from_zero and start_s < MAX_GAP_S
        # for other containers, FFmpeg derives the duration from the timestamps
        stated = duration_s is not None and self.format.startswith((*_DURATION_IN_HEADER, "asf"))
        end_s = start_s + (duration_s or 0.0) if stated else None
        self._zero_s = 0.0 if from_zero else start_s
        return Timeline(self.sample_rate, self._zero_s + self._delay_s(), end_s)

    def _delay_s(self) -> float:
        """Return the delay between a decoder's first packet and its first frame, in seconds."""
        if self._first is None or self._first.rejected_s or self._stream.start_time is None or self._exact:
            return 0.0
        delay_s = (_time_s(self._first.frame) or 0.0) - float(self._stream.start_time * self._stream.time_base)
        return delay_s if 0 < delay_s < _MAX_DELAY_S else 0.0

    def _claimed_s(self) -> float | None:
        """Return the end of the audio in seconds, as stated by the header or guessed by FFmpeg."""
        stream = self._stream
        if self.format == "mp3" and self._stated_s is not None:
            self.claim_is_reliable = True
            return self._stated_s
        if self.format.startswith("matroska"):  # without a tag, the duration of a video would count
            if found := _CLOCK.fullmatch(stream.metadata.get("DURATION", "")):  # 00:00:05.008000000
                hours, minutes, seconds = found.groups()
                return int(hours) * 3600 + int(minutes) * 60 + float(seconds) - self._zero_s
        elif stream.duration is not None and stream.time_base is not None:
            offset_s = float((stream.start_time or 0) * stream.time_base) - self._zero_s if self._timeline else 0.0
            return max(0.0, offset_s) + float((stream.duration - self._n_before()) * stream.time_base)
        self.claim_is_reliable = False  # the container's duration may be that of a video
        return float(self._container.duration / 1e6) if self._container.duration else None

    def _n_before(self) -> int:
        """Return how much of an MP4's stated duration precedes its first frame, in units of the stream.

        The duration of a fragmented MP4 counts from the start of the broadcast; the file may be a later part of it.
        """
        if not self._fragmented or not self.format.startswith("mov"):
            return 0
        stream, first = self._stream, self._frames.first_dts
        n_skipped = 0 if first is None or stream.start_time is None else max(0, stream.start_time - first)
        return min(int(stream.duration), first_time(self._file, stream.id) + n_skipped)

    def blocks(self, n_frames: int) -> Iterator[npt.NDArray[np.float32]]:
        """Yield float32 blocks ``(n, channels)``, see :class:`Decoder`."""
        pending: list[npt.NDArray[np.float32]] = []
        n_pending = 0
        for part in self._parts():
            pending.append(part)
            n_pending += len(part)
            if n_pending >= n_frames:
                yield np.concatenate(pending)
                pending, n_pending = [], 0
        if n_pending:
            yield np.concatenate(pending)

    def _parts(self) -> Iterator[npt.NDArray[np.float32]]:
        """Yield frames, and silence for gaps, in order."""
        changed = None
        for decoded, following in pairwise(chain([self._first], self._decoded, [None])):
            if decoded is None:  # no frame at all
                break
            frame = decoded.frame
            if (frame.sample_rate, frame.layout.nb_channels) != (self.sample_rate, self.n_channels):
                changed = f"the audio changes to {frame.sample_rate} Hz, {frame.layout.nb_channels} channel(s)"
                break
            yield from self._silence(self._gap(decoded, following))
            yield to_float32(frame)
            if self._timeline:
                self._timeline.n_placed += frame.samples
        self.fault = changed or self._frames.fault or (self._timeline.fault if self._timeline else None) or self.fault

    def _gap(self, decoded: DecodedFrame, following: DecodedFrame | None) -> int:
        """Return the number of samples of silence before a frame."""
        at_s = _time_s(decoded.frame)
        if self._timeline is None or at_s is None:
            return round(decoded.rejected_s * self.sample_rate)
        next_s = _time_s(following.frame) if following else None
        first = self._exact and not self._timeline.n_placed
        return self._timeline.gap(at_s, next_s, exact=first or decoded.rejected_s > 0)

    def _silence(self, n_samples: int) -> Iterator[npt.NDArray[np.float32]]:
        if self._timeline:
            self._timeline.n_placed += n_samples
        for first in range(0, n_samples, _SILENCE_BLOCK):
            yield np.zeros((min(_SILENCE_BLOCK, n_samples - first), self.n_channels), np.float32)

    def seek(self, frame: int) -> bool:
        """Return False: FFmpeg's seeking is not sample-accurate."""
        return False

    def close(self) -> None:
        """Close the decoder."""
        self._container.close()


def _time_s(frame: Any) -> float | None:
    return None if frame.pts is None or frame.time_base is None else float(frame.pts * frame.time_base)
