"""The recordings that a benchmark goes over, repeated where a device is too fast for them."""

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


@dataclass(frozen=True)
class Sample:
    """Decoded recordings.

    Attributes:
        sources: the recordings.
        segments: the segments of all recordings, ``(S, N)``, padded with zeros.
        audio_s: length of the recordings, without padding.
    """

    sources: Sequence[Source]
    segments: Waves
    audio_s: float

    @classmethod
    def of(cls, sources: Sequence[Source]) -> Self:
        """Decode recordings.

        Raises:
            AudioError: if a recording cannot be read.
            SettingsError: if the recordings hold no audio.
        """
        chunks = [chunk for source in sources for chunk in SegmentReader(source.path, ReaderOptions("mix", vad=False))]
        if not chunks:
            raise SettingsError("there is no audio in the recordings", "Name others.")
        n_samples = sum(int(chunk.n_samples.sum()) for chunk in chunks)
        return cls(sources, np.concatenate([chunk.waves for chunk in chunks]), n_samples / SAMPLE_RATE)

    def some(self, n: int) -> Waves:
        """Return at most ``n`` segments, spread evenly over the recordings."""
        return self.segments[:: -(-len(self.segments) // n)]

    def repeated(self, hours: float) -> Self:
        """Return a sample that names the recordings again and again until they last this long, but at least once."""
        times = max(1, round(hours * 3600.0 / self.audio_s))
        sources = [replace(source, file=f"{n}/{source.file}") for n in range(times) for source in self.sources]
        return replace(self, sources=sources, audio_s=times * self.audio_s)
