"""Segmentation and voice activity detection of one output channel."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pcqtool.audio.segment import SAMPLE_RATE, Segmenter
from pcqtool.audio.vad import WINDOW, VoiceActivityDetector

CHUNK_S = 30.0
MIN_SPEECH = 0.1  # default of the speech fraction below which a segment is not classified
MARGIN = round(0.1 * SAMPLE_RATE)  # samples kept on both sides of speech, for breaths and onsets that VAD misses


@dataclass(frozen=True)
class Chunk:
    """Consecutive segments of one output channel, about 30 s of audio.

    Attributes:
        channel: name of the output channel: ``0`` for mono, ``mix`` for several mixed, otherwise the channel's number.
        first: number of the first segment within the channel.
        waves: ``(n, segment)`` float32 at 16 kHz; the channel's last segment is padded with zeros at the end.
        n_samples: ``(n,)``, real samples of each segment.
        speech_fraction: ``(n,)``, fraction of each segment's real samples that is speech, 0 to 1; None without VAD.
        speech_span: ``(n, 2)``, where speech begins and ends in each segment, with a margin of 0.1 s on both sides; all
            real samples of a segment without speech. None without VAD.
    """

    channel: str
    first: int
    waves: npt.NDArray[np.float32]
    n_samples: npt.NDArray[np.int64]
    speech_fraction: npt.NDArray[np.float32] | None
    speech_span: npt.NDArray[np.int64] | None = None


class ChannelSegmenter:
    """Cuts one channel's 16 kHz stream into chunks. The cuts do not depend on the sizes of the blocks.

    Args:
        name: of the output channel.
        n_samples: of a segment.
        vad: whether to detect speech.

    Examples:
        >>> segmenter = ChannelSegmenter("0", n_samples=48000, vad=False)
        >>> [chunk.waves.shape for chunk in segmenter.push(np.zeros(500_000, np.float32))]
        [(10, 48000)]
        >>> [chunk.n_samples.tolist() for chunk in segmenter.flush()]
        [[20000]]
    """

    def __init__(self, name: str, n_samples: int, vad: bool) -> None:
        self.name = name
        self._n_chunk = max(1, round(CHUNK_S * SAMPLE_RATE) // n_samples)
        self._waves = Segmenter(n_samples, np.float32)
        self._vad = VoiceActivityDetector() if vad else None
        self._speech = Segmenter(n_samples, np.uint8)  # 1 for each sample of speech, cut exactly as the audio is
        self._n_pushed = self._n_decided = 0  # samples
        self._n_taken = 0  # segments
        self._pending_waves = np.zeros((0, n_samples), np.float32)
        self._pending_fraction = np.zeros(0, np.float32)
        self._pending_span = np.zeros((0, 2), np.int64)

    def push(self, block: npt.NDArray[np.float32]) -> Iterator[Chunk]:
        """Add the channel's next samples ``(n,)``; yield the chunks that are complete."""
        self._n_pushed += len(block)
        self._pending_waves = np.concatenate((self._pending_waves, self._waves.push(block)))
        if self._vad is not None:
            self._add_windows(self._vad.push(block))
        while self._n_ready() >= self._n_chunk:
            yield self._take(self._n_chunk, None)

    def flush(self) -> Iterator[Chunk]:
        """End the channel; yield the remaining chunks."""
        tail, lengths = self._waves.flush()
        if self._vad is not None:
            self._add_windows(self._vad.flush())
            mask, _ = self._speech.flush()
            self._add_speech(mask, lengths)
        self._pending_waves = np.concatenate((self._pending_waves, tail))
        while n_left := len(self._pending_waves):
            last = n_left <= self._n_chunk
            yield self._take(min(n_left, self._n_chunk), lengths if last else None)

    def _add_windows(self, windows: npt.NDArray[np.bool_]) -> None:
        mask = np.repeat(windows.view(np.uint8), WINDOW)[: self._n_pushed - self._n_decided]
        self._n_decided += len(mask)
        complete = self._speech.push(mask)
        self._add_speech(complete, np.full(len(complete), self._speech.n_samples))

    def _add_speech(self, masks: npt.NDArray[np.uint8], lengths: npt.NDArray[np.int64]) -> None:
        """Store speech fraction and speech span of the next segments, given their sample masks ``(m, segment)``."""
        fractions = (masks.sum(axis=1) / np.maximum(lengths, 1)).astype(np.float32)
        self._pending_fraction = np.concatenate((self._pending_fraction, fractions))
        self._pending_span = np.concatenate((self._pending_span, _speech_span(masks, lengths)))

    def _n_ready(self) -> int:
        n_waves = len(self._pending_waves)
        return n_waves if self._vad is None else min(n_waves, len(self._pending_fraction))

    def _take(self, n: int, tail_length: npt.NDArray[np.int64] | None) -> Chunk:
        waves, self._pending_waves = self._pending_waves[:n], self._pending_waves[n:]
        n_samples = np.full(n, self._waves.n_samples, dtype=np.int64)
        if tail_length is not None and len(tail_length):
            n_samples[-1] = tail_length[0]
        fraction = span = None
        if self._vad is not None:
            fraction, self._pending_fraction = self._pending_fraction[:n], self._pending_fraction[n:]
            span, self._pending_span = self._pending_span[:n], self._pending_span[n:]
        first, self._n_taken = self._n_taken, self._n_taken + n
        return Chunk(self.name, first, waves, n_samples, fraction, span)


def _speech_span(masks: npt.NDArray[np.uint8], lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return where speech begins and ends, ``(m, 2)``, given masks ``(m, segment)`` and their real lengths ``(m,)``."""
    first = np.maximum(masks.argmax(axis=1) - MARGIN, 0)
    end = np.minimum(masks.shape[1] - masks[:, ::-1].argmax(axis=1) + MARGIN, lengths)
    some = masks.any(axis=1)
    return np.stack((np.where(some, first, 0), np.where(some, end, lengths)), axis=1)
