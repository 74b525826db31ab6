"""Segmentation and voice activity detection of one output channel."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

from pcqtool.audio.cuts import Cutter, GridCutter, Span
from pcqtool.audio.segment import SAMPLE_RATE
from pcqtool.audio.vad import VoiceActivityDetector
from pcqtool.audio.vad_network import WINDOW

T = TypeVar("T", bound=np.generic)

CHUNK_S = 30.0
MIN_SPEECH = 0.1  # default of the speech fraction below which a segment is not classified
MARGIN = round(0.1 * SAMPLE_RATE)  # samples kept on both sides of speech, for breaths and onsets that VAD misses


@dataclass(frozen=True)
class Chunk:
    """The next segments of one output channel, of at most 30 s in all.

    Attributes:
        channel: name of the output channel: ``0`` for mono, ``mix`` for several mixed, otherwise the channel's number.
        starts: ``(n,)``, first sample of each segment, counted from the channel's start.
        waves: ``(n, segment)`` float32 at 16 kHz; a segment with less audio is padded with zeros at the end.
        n_samples: ``(n,)``, real samples of each segment.
        speech_fraction: ``(n,)``, fraction of each segment's real samples that is speech, 0 to 1; None without VAD.
        speech_span: ``(n, 2)``, where speech begins and ends in each segment, with a margin of 0.1 s on both sides; all
            real samples of a segment without speech. None without VAD.
        n_speech: samples of speech that were found in the channel since the chunk before; None without VAD.
        speaker: the speaker of all segments, if turns were given.
    """

    channel: str
    starts: npt.NDArray[np.int64]
    waves: npt.NDArray[np.float32]
    n_samples: npt.NDArray[np.int64]
    speech_fraction: npt.NDArray[np.float32] | None
    speech_span: npt.NDArray[np.int64] | None = None
    n_speech: int | None = None
    speaker: str | None = None


class ChannelSegmenter:
    """Cuts one channel's 16 kHz stream into chunks. The cuts do not depend on the sizes of the blocks.

    Args:
        name: of the output channel.
        n_samples: of a segment, with its padding.
        vad: whether to detect speech.
        cutters: where to cut: one cutter for each speaker whose turns are known, or one for None; None for segments
            that follow each other. Without any cutter, the channel has one chunk without segments.

    Attributes:
        on_speech: is called with the speech mask of the next samples, 1 for speech, as soon as it is known.

    Examples:
        >>> segmenter = ChannelSegmenter("0", n_samples=48000, vad=False)
        >>> [chunk.waves.shape for chunk in segmenter.push(np.zeros(500_000, np.float32))]
        [(10, 48000)]
        >>> [chunk.n_samples.tolist() for chunk in segmenter.flush()]
        [[20000]]
    """

    def __init__(
        self, name: str, n_samples: int, vad: bool, cutters: Mapping[str | None, Cutter] | None = None
    ) -> None:
        self.name = name
        self.n_samples = n_samples
        self._n_chunk = max(1, round(CHUNK_S * SAMPLE_RATE) // n_samples)
        usual: Mapping[str | None, Cutter] = {None: GridCutter(n_samples, n_samples)}
        self._cutters = usual if cutters is None else cutters
        self._vad = VoiceActivityDetector() if vad else None
        self._waves = _Window(np.float32)
        self._speech = _Window(np.uint8)  # 1 for each sample of speech
        self._pending: dict[str | None, list[Span]] = {speaker: [] for speaker in self._cutters}
        self._n_speech = 0  # samples that no chunk has counted yet
        self._started: set[str | None] = set()
        self.on_speech: Callable[[npt.NDArray[np.uint8]], None] = lambda speech: None

    @property
    def detects_speech(self) -> bool:
        """Whether voice activity is detected."""
        return self._vad is not None

    def push(self, block: npt.NDArray[np.float32]) -> Iterator[Chunk]:
        """Add the channel's next samples ``(n,)``; yield the chunks that are complete."""
        self._waves.push(block)
        if self._vad is None:
            self._cut(np.ones(len(block), np.uint8))
        else:
            self._decide(self._vad.push(block))
        for speaker, pending in self._pending.items():
            while len(pending) >= self._n_chunk:
                yield self._take(speaker)

    def flush(self) -> Iterator[Chunk]:
        """End the channel; yield the remaining chunks. A channel with audio has one chunk at least."""
        if self._vad is not None:
            self._decide(self._vad.flush())
        for speaker, pending in self._pending.items():
            pending += self._cutters[speaker].flush()
            while pending or self._n_speech or (self._waves.end and speaker not in self._started):
                yield self._take(speaker)
        if not self._cutters and self._waves.end:
            yield self._chunk(None, [])

    def _decide(self, windows: npt.NDArray[np.bool_]) -> None:
        self._cut(np.repeat(windows.view(np.uint8), WINDOW)[: self._waves.end - self._speech.end])

    def _cut(self, speech: npt.NDArray[np.uint8]) -> None:
        """Add the next samples of the mask ``(n,)``; cut what it completes."""
        self._speech.push(speech)
        self.on_speech(speech)
        self._n_speech += int(speech.sum(dtype=np.int64))
        needed_from = [self._speech.end]
        for speaker, cutter in self._cutters.items():
            self._pending[speaker] += cutter.push(speech)
            needed_from += [cutter.needed_from, *(start for start, _ in self._pending[speaker][:1])]
        self._waves.forget(min(needed_from))
        self._speech.forget(min(needed_from))

    def _take(self, speaker: str | None) -> Chunk:
        spans = self._pending[speaker][: self._n_chunk]
        del self._pending[speaker][: self._n_chunk]
        self._started.add(speaker)
        return self._chunk(speaker, spans)

    def _chunk(self, speaker: str | None, spans: Sequence[Span]) -> Chunk:
        starts = np.array([start for start, _ in spans], np.int64)
        lengths = np.array([end - start for start, end in spans], np.int64)
        waves = self._waves.rows(spans, self.n_samples)
        n_speech, self._n_speech = self._n_speech, 0
        if self._vad is None:
            return Chunk(self.name, starts, waves, lengths, None, speaker=speaker)
        masks = self._speech.rows(spans, self.n_samples)
        n_in_segments = masks.sum(axis=1, dtype=np.int64)
        fractions = (n_in_segments / np.maximum(lengths, 1)).astype(np.float32)
        n_speech = n_speech if speaker is None else int(n_in_segments.sum())
        return Chunk(self.name, starts, waves, lengths, fractions, _speech_span(masks, lengths), n_speech, speaker)


class SpeechOverlap:
    """Counts the time in which several channels contain speech.

    Args:
        segmenters: of the channels, before any audio is pushed.
    """

    def __init__(self, segmenters: Sequence[ChannelSegmenter]) -> None:
        self._n_overlap = 0
        self._waiting = [_Window(np.uint8) for _ in segmenters]
        self._applies = len(segmenters) > 1 and all(segmenter.detects_speech for segmenter in segmenters)
        for segmenter, window in zip(segmenters, self._waiting, strict=True):
            segmenter.on_speech = partial(self._add, window)

    @property
    def seconds(self) -> float | None:
        """Seconds so far; None for one channel, and without voice activity detection."""
        return self._n_overlap / SAMPLE_RATE if self._applies else None

    def _add(self, window: _Window[np.uint8], speech: npt.NDArray[np.uint8]) -> None:
        if not self._applies:
            return
        window.push(speech)
        first, end = (min(getattr(each, name) for each in self._waiting) for name in ("start", "end"))
        if end > first:
            masks = [each.rows([(first, end)], end - first)[0] for each in self._waiting]
            self._n_overlap += int((np.sum(masks, axis=0) > 1).sum())
            for each in self._waiting:
                each.forget(end)


class _Window(Generic[T]):
    """The latest values of a stream, as many as are needed.

    Args:
        dtype: of the values.

    Attributes:
        end: number of values that were pushed.
    """

    def __init__(self, dtype: type[T]) -> None:
        self.end = 0
        self._values: npt.NDArray[T] = np.zeros(0, dtype)

    def push(self, values: npt.NDArray[T]) -> None:
        """Add the next values."""
        self._values = np.concatenate((self._values, values))
        self.end += len(values)

    @property
    def start(self) -> int:
        """Position of the first value that is kept."""
        return self.end - len(self._values)

    def forget(self, position: int) -> None:
        """Drop the values before a position."""
        self._values = self._values[max(0, position - self.start) :]

    def rows(self, spans: Sequence[Span], n: int) -> npt.NDArray[T]:
        """Copy spans into rows of ``n`` values, padded with zeros at the end."""
        rows = np.zeros((len(spans), n), self._values.dtype)
        first = self.start
        for row, (start, end) in zip(rows, spans, strict=True):
            row[: end - start] = self._values[start - first : end - first]
        return rows


def _speech_span(masks: npt.NDArray[np.uint8], lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return where speech begins and ends, ``(m, 2)``, given masks ``(m, segment)`` and their real lengths ``(m,)``."""
    first = np.maximum(masks.argmax(axis=1) - MARGIN, 0)
    end = np.minimum(masks.shape[1] - masks[:, ::-1].argmax(axis=1) + MARGIN, lengths)
    some = masks.any(axis=1)
    return np.stack((np.where(some, first, 0), np.where(some, end, lengths)), axis=1)
