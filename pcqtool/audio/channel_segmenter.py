"""One track on its way through segmentation and voice activity."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pcqtool.audio.segment import SAMPLE_RATE, Segmenter
from pcqtool.audio.vad import WINDOW, VoiceActivity

CHUNK_S = 30.0
MIN_SPEECH = 0.1  # share of a segment below which it is not judged, unless a user says otherwise
MARGIN = round(0.1 * SAMPLE_RATE)  # samples kept on both sides of speech: a breath, an onset that was not told


@dataclass(frozen=True)
class Chunk:
    """Consecutive segments of one track, about 30 s of sound.

    Attributes:
        channel: the track's name: ``0`` for mono, ``mix`` for several channels mixed, else the channel's number.
        first: number of the first segment within the track.
        waves: ``(n, segment)`` float32 at 16 kHz; the track's last one is padded with zeros at the end.
        n_samples: ``(n,)``, real samples of each segment.
        speech: ``(n,)``, share of each segment's real samples that is speech, 0 to 1; None without voice activity.
        spoken: ``(n, 2)``, in each segment the first sample from which there is speech and the one behind the last,
            0.1 s more on both sides; all real samples where there is none. None without voice activity.
    """

    channel: str
    first: int
    waves: npt.NDArray[np.float32]
    n_samples: npt.NDArray[np.int64]
    speech: npt.NDArray[np.float32] | None
    spoken: npt.NDArray[np.int64] | None = None


class ChannelSegmenter:
    """Cuts one track's 16 kHz stream into chunks; where they are cut does not depend on the blocks.

    Args:
        name: of the track.
        n_samples: of a segment.
        vad: whether to tell speech.
    """

    def __init__(self, name: str, n_samples: int, vad: bool) -> None:
        self.name = name
        self._n_chunk = max(1, round(CHUNK_S * SAMPLE_RATE) // n_samples)
        self._waves = Segmenter(n_samples, np.float32)
        self._vad = VoiceActivity() if vad else None
        self._speech = Segmenter(n_samples, np.uint8)  # 1 for each sample of speech, cut exactly as the sound is
        self._n_heard = self._n_judged = self._n_given = 0  # samples, samples, segments
        self._held_waves = np.zeros((0, n_samples), np.float32)
        self._held_speech = np.zeros(0, np.float32)
        self._held_spoken = np.zeros((0, 2), np.int64)

    def push(self, block: npt.NDArray[np.float32]) -> Iterator[Chunk]:
        """Take the track's next samples ``(n,)``; give the chunks that are complete."""
        self._n_heard += len(block)
        self._held_waves = np.concatenate((self._held_waves, self._waves.push(block)))
        if self._vad is not None:
            self._judge(self._vad.push(block))
        while self._n_ready() >= self._n_chunk:
            yield self._take(self._n_chunk, None)

    def flush(self) -> Iterator[Chunk]:
        """End the track; give the chunks that are left."""
        tail, lengths = self._waves.flush()
        if self._vad is not None:
            self._judge(self._vad.flush())
            mask, _ = self._speech.flush()
            self._hold(mask, lengths)
        self._held_waves = np.concatenate((self._held_waves, tail))
        while n_left := len(self._held_waves):
            last = n_left <= self._n_chunk
            yield self._take(min(n_left, self._n_chunk), lengths if last else None)

    def _judge(self, windows: npt.NDArray[np.bool_]) -> None:
        mask = np.repeat(windows.view(np.uint8), WINDOW)[: self._n_heard - self._n_judged]
        self._n_judged += len(mask)
        whole = self._speech.push(mask)
        self._hold(whole, np.full(len(whole), self._speech.n_samples))

    def _hold(self, masks: npt.NDArray[np.uint8], lengths: npt.NDArray[np.int64]) -> None:
        """Note of further segments, masks ``(m, segment)``, how much is speech and where it lies."""
        shares = (masks.sum(axis=1) / np.maximum(lengths, 1)).astype(np.float32)
        self._held_speech = np.concatenate((self._held_speech, shares))
        self._held_spoken = np.concatenate((self._held_spoken, _span(masks, lengths)))

    def _n_ready(self) -> int:
        return len(self._held_waves) if self._vad is None else min(len(self._held_waves), len(self._held_speech))

    def _take(self, n: int, tail_length: npt.NDArray[np.int64] | None) -> Chunk:
        waves, self._held_waves = self._held_waves[:n], self._held_waves[n:]
        n_samples = np.full(n, self._waves.n_samples, dtype=np.int64)
        if tail_length is not None and len(tail_length):
            n_samples[-1] = tail_length[0]
        speech = spoken = None
        if self._vad is not None:
            speech, self._held_speech = self._held_speech[:n], self._held_speech[n:]
            spoken, self._held_spoken = self._held_spoken[:n], self._held_spoken[n:]
        first, self._n_given = self._n_given, self._n_given + n
        return Chunk(self.name, first, waves, n_samples, speech, spoken)


def _span(masks: npt.NDArray[np.uint8], lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Find where speech begins and ends in masks ``(m, segment)`` of which so many samples are real: ``(m, 2)``."""
    first = np.maximum(masks.argmax(axis=1) - MARGIN, 0)
    end = np.minimum(masks.shape[1] - masks[:, ::-1].argmax(axis=1) + MARGIN, lengths)
    some = masks.any(axis=1)
    return np.stack((np.where(some, first, 0), np.where(some, end, lengths)), axis=1)
