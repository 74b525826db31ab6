"""What is measured: some recordings, and the same over and over where a device is too fast for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from pcqtool.audio.reader import ReaderOptions, SegmentReader
from pcqtool.audio.segment import SAMPLE_RATE
from pcqtool.batch.names import Source
from pcqtool.errors import SettingsError

Waves = NDArray[np.float32]
GPU_HOURS = 20.0
"""Of audio that a GPU labels end to end: seven seconds' work at 10,000 times real time."""


@dataclass(frozen=True)
class Sample:
    """Recordings, decoded.

    Attributes:
        sources: the recordings.
        segments: all of theirs, ``(S, N)``, padded with zeros.
        audio_s: their length, padding not counted.
    """

    sources: Sequence[Source]
    segments: Waves
    audio_s: float

    @classmethod
    def of(cls, sources: Sequence[Source]) -> Self:
        """Decode recordings.

        Raises:
            AudioError: if one cannot be read.
            SettingsError: if they hold no audio.
        """
        chunks = [chunk for source in sources for chunk in SegmentReader(source.path, ReaderOptions("mix", vad=False))]
        if not chunks:
            raise SettingsError("there is no audio in the recordings", "Name others.")
        n_samples = sum(int(chunk.n_samples.sum()) for chunk in chunks)
        return cls(sources, np.concatenate([chunk.waves for chunk in chunks]), n_samples / SAMPLE_RATE)

    def some(self, n: int) -> Waves:
        """Give at most ``n`` segments from all over the recordings."""
        return self.segments[:: -(-len(self.segments) // n)]

    def repeated(self, hours: float) -> Self:
        """Name the recordings again and again until they are so long, or once where they are."""
        times = max(1, round(hours * 3600.0 / self.audio_s))
        sources = [replace(source, file=f"{n}/{source.file}") for n in range(times) for source in self.sources]
        return replace(self, sources=sources, audio_s=times * self.audio_s)
