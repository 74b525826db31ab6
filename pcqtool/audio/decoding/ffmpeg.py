"""Decoding through FFmpeg (PyAV): m4a, AAC, AMR, WebM, WMA, the sound of a video, and MP3.

libsndfile reads MP3 too, but takes the length from the header or from a guess and drops what lies beyond: of a file of
variable bit rate that states no length, or of several joined into one, a large part.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain, pairwise
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from pcqtool.audio.decoding.container import HINT, Decoded, Frames, open_container, samples
from pcqtool.audio.decoding.mp3 import stated_s, without_tags
from pcqtool.audio.decoding.mp4_fragments import first_time
from pcqtool.audio.decoding.timeline import LONGEST_S, Timeline
from pcqtool.audio.decoding.track_selection import choose, is_silence
from pcqtool.errors import AudioError

# Containers whose header states the length of the sound; elsewhere FFmpeg guesses it from the bit rate.
_LENGTH_IN_HEADER = ("mov", "matroska")
# Containers whose packets say when they are to be heard; elsewhere FFmpeg counts what it finds.
_TIMED = ("mov", "matroska", "mpeg", "flv", "asf", "ogg")
# Codecs whose frames stand where their timestamps say, from the first on: the decoder leaves out two frames of its own
# accord, and counts them.
_EXACT = ("wmav1", "wmav2")
_CLOCK = re.compile(r"(\d+):(\d+):(\d+(?:\.\d+)?)")
_LONGEST_DELAY_S = 0.5
_PIECE = 4096  # samples of silence at a time: about what a frame of sound has
_HEAD = 1 << 16  # bytes at the beginning in which an MP4 says that it is fragmented


class FFmpegDecoder:
    """One recording's audio track, read by FFmpeg, with silence where its timestamps leave a gap.

    Rate and channels are those of the first decoded frame: for HE-AAC and others the header's are wrong.

    Args:
        file: open.
        name: for messages.
        thorough: whether to look through several tracks for one that is not silent.

    Raises:
        AudioError: not a recording, no audio stream, or nothing in it can be decoded.
        OSError: the file cannot be read.
    """

    def __init__(self, file: BinaryIO, name: str, thorough: bool = True) -> None:
        self._file = file
        self._name = name
        self._stated_s = stated_s(file)
        self._fragmented = b"mvex" in file.read(_HEAD)
        self.note: str | None = None
        self._container = open_container(file, name)
        try:
            if thorough and self._container.format.name == "mp3":
                self._leave_out_tags()
            self._open_stream(self._choose(thorough))
        except BaseException:
            self.close()
            raise

    def _leave_out_tags(self) -> None:
        sound = without_tags(self._file)
        self._container.close()
        self._file = sound
        self._container = open_container(self._file, self._name)

    def _choose(self, thorough: bool) -> int:
        """Choose the audio track; return its number, counted from 0."""
        streams = self._container.streams.audio
        if not streams:
            raise AudioError(f"{self._name}: has no audio stream", "Only files with sound can be labelled.")
        if all(stream.codec_context is None for stream in streams):
            raise AudioError(f"{self._name}: no decoder knows its sound", HINT)
        if len(streams) == 1:
            return 0
        number, why = choose(list(streams), self._is_silent if thorough else None)
        self.note = f"audio track {number + 1} of {len(streams)} ({why})"
        return number

    def _is_silent(self, number: int) -> bool:
        container = open_container(self._file, self._name)
        try:
            frames = Frames(container, container.streams.audio[number])
            return is_silence(samples(decoded.frame) for decoded in frames)
        finally:
            container.close()

    def _open_stream(self, number: int) -> None:
        if self.note is not None:  # the search for sound has moved the file
            self._container.close()
            self._container = open_container(self._file, self._name)
        self._stream = self._container.streams.audio[number]
        self._frames = Frames(self._container, self._stream)
        self._decoded = iter(self._frames)
        self._first = next(self._decoded, None)
        fault = self._frames.fault or ("it holds no frame" if self._container.format.name == "mp3" else None)
        if self._first is None and fault:
            raise AudioError(f"{self._name}: nothing in it can be decoded ({fault})", HINT)
        context, frame = self._stream.codec_context, self._first and self._first.frame
        self.sample_rate: int = frame.sample_rate if frame else context.sample_rate or 0
        self.n_channels: int = frame.layout.nb_channels if frame else context.channels or 0
        self.format: str = self._container.format.name
        self.claim_holds = self.format.startswith(_LENGTH_IN_HEADER)
        self._zero_s = 0.0  # the timestamp that a player calls 0
        self._exact = context.name in _EXACT
        self._timeline = self._make_timeline()
        self.claimed_s = self._claimed_s()
        self.fault: str | None = None

    def _make_timeline(self) -> Timeline | None:
        """Make the timeline of a container whose packets say when they are to be heard."""
        if not self.format.startswith(_TIMED):
            return None
        start_s = (self._container.start_time or 0) / 1e6
        length_s = self._container.duration / 1e6 if self._container.duration else None
        if self.format.startswith("mov"):
            from_zero = not self._fragmented
        else:  # a broadcast that was taken down from some time on states no length
            from_zero = self.format.startswith("matroska") and length_s is not None and start_s < length_s
        from_zero = from_zero and start_s < LONGEST_S
        # others' lengths are taken from the timestamps themselves
        stated = length_s is not None and self.format.startswith((*_LENGTH_IN_HEADER, "asf"))
        end_s = start_s + (length_s or 0.0) if stated else None
        self._zero_s = 0.0 if from_zero else start_s
        return Timeline(self.sample_rate, self._zero_s + self._delay_s(), end_s)

    def _delay_s(self) -> float:
        """Return how much later than its first packet a decoder gives sound: it needs some before it can begin."""
        if self._first is None or self._first.refused_s or self._stream.start_time is None or self._exact:
            return 0.0
        delay_s = (_time_s(self._first.frame) or 0.0) - float(self._stream.start_time * self._stream.time_base)
        return delay_s if 0 < delay_s < _LONGEST_DELAY_S else 0.0

    def _claimed_s(self) -> float | None:
        """Return the time at which the sound ends by the header, or what FFmpeg guesses."""
        stream = self._stream
        if self.format == "mp3" and self._stated_s is not None:
            self.claim_holds = True
            return self._stated_s
        if self.format.startswith("matroska"):  # without a tag the length of a picture would count
            if found := _CLOCK.fullmatch(stream.metadata.get("DURATION", "")):  # 00:00:05.008000000
                hours, minutes, seconds = found.groups()
                return int(hours) * 3600 + int(minutes) * 60 + float(seconds) - self._zero_s
        elif stream.duration is not None and stream.time_base is not None:
            late_s = float((stream.start_time or 0) * stream.time_base) - self._zero_s if self._timeline else 0.0
            return max(0.0, late_s) + float((stream.duration - self._n_before()) * stream.time_base)
        self.claim_holds = False  # the container's length may be that of a video
        return float(self._container.duration / 1e6) if self._container.duration else None

    def _n_before(self) -> int:
        """Return how much of an MP4's duration is before its first sound, in units of the stream.

        A fragmented one's counts from when the broadcast began, of which it may be a later piece.
        """
        if not self._fragmented or not self.format.startswith("mov"):
            return 0
        stream, first = self._stream, self._frames.first_dts
        n_skipped = 0 if first is None or stream.start_time is None else max(0, stream.start_time - first)
        return min(int(stream.duration), first_time(self._file, stream.id) + n_skipped)

    def blocks(self, n_frames: int) -> Iterator[npt.NDArray[np.float32]]:
        """Decode onwards in blocks of about ``n_frames``: float32 ``(n, channels)``; see ``fault`` afterwards.

        Raises:
            OSError: the file cannot be read.
        """
        held: list[npt.NDArray[np.float32]] = []
        n_held = 0
        for part in self._parts():
            held.append(part)
            n_held += len(part)
            if n_held >= n_frames:
                yield np.concatenate(held)
                held, n_held = [], 0
        if n_held:
            yield np.concatenate(held)

    def _parts(self) -> Iterator[npt.NDArray[np.float32]]:
        """Sound and silence in order, in small pieces."""
        changed = None
        for decoded, following in pairwise(chain([self._first], self._decoded, [None])):
            if decoded is None:  # there is nothing at all
                break
            frame = decoded.frame
            if (frame.sample_rate, frame.layout.nb_channels) != (self.sample_rate, self.n_channels):
                changed = f"the sound changes to {frame.sample_rate} Hz, {frame.layout.nb_channels} channel(s)"
                break
            yield from self._silence(self._gap(decoded, following))
            yield samples(frame)
            if self._timeline:
                self._timeline.n_placed += frame.samples
        self.fault = changed or self._frames.fault or (self._timeline.fault if self._timeline else None) or self.fault

    def _gap(self, decoded: Decoded, following: Decoded | None) -> int:
        """Return how many samples of silence go before a frame."""
        at_s = _time_s(decoded.frame)
        if self._timeline is None or at_s is None:
            return round(decoded.refused_s * self.sample_rate)
        next_s = _time_s(following.frame) if following else None
        first = self._exact and not self._timeline.n_placed
        return self._timeline.gap(at_s, next_s, exact=first or decoded.refused_s > 0)

    def _silence(self, n_samples: int) -> Iterator[npt.NDArray[np.float32]]:
        if self._timeline:
            self._timeline.n_placed += n_samples
        for first in range(0, n_samples, _PIECE):
            yield np.zeros((min(_PIECE, n_samples - first), self.n_channels), np.float32)

    def seek(self, frame: int) -> bool:
        """FFmpeg's seeking is not exact to the sample: always False."""
        return False

    def close(self) -> None:
        """Let go of the decoder; the file stays open."""
        self._container.close()


def _time_s(frame: Any) -> float | None:
    return None if frame.pts is None or frame.time_base is None else float(frame.pts * frame.time_base)
