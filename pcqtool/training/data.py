"""A corpus as segments in memory, with further views of each recording."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pcqtool.audio.segment import SEGMENT_SAMPLES
from pcqtool.audio.tracks import load
from pcqtool.corpora.base import Utterance
from pcqtool.errors import AudioError, CorpusError
from pcqtool.training.views import ViewSettings, make_view

_FULL_SCALE = 32768.0  # 16-bit recordings at 16 kHz come back bit for bit


@dataclass(frozen=True)
class SegmentSet:
    """Segments of S rows; view 0 of an utterance is the recording itself.

    Attributes:
        samples: ``(S, 48000)`` 16-bit, padded with zeros at the end.
        n_samples: ``(S,)`` samples before the padding.
        utterance: ``(S,)`` index into the corpus's list.
        view: ``(S,)`` number of the view.
    """

    samples: NDArray[np.int16]
    n_samples: NDArray[np.int64]
    utterance: NDArray[np.int64]
    view: NDArray[np.int64]

    def waves(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Give segments as the model takes them, ``(len(rows), 48000)``."""
        return self.samples[rows].astype(np.float32) / np.float32(_FULL_SCALE)

    def rows(self, utterance: int, view: int = 0) -> NDArray[np.int64]:
        """Give the rows of one view of an utterance, in order."""
        return self._rows[utterance][view]

    @property
    def n_views(self) -> int:
        """Views of each utterance besides the recording itself."""
        return int(self.view.max())

    @property
    def _rows(self) -> list[list[NDArray[np.int64]]]:
        if "_index" not in self.__dict__:
            n_utterances, n_views = int(self.utterance.max()) + 1, self.n_views + 1
            key = self.utterance * n_views + self.view
            groups = np.split(np.arange(len(key)), np.searchsorted(key, np.arange(1, n_utterances * n_views)))
            index = [groups[u * n_views : (u + 1) * n_views] for u in range(n_utterances)]
            object.__setattr__(self, "_index", index)
        index_: list[list[NDArray[np.int64]]] = self.__dict__["_index"]
        return index_


def build_segments(
    utterances: Sequence[Utterance], n_views: int, settings: ViewSettings, seed: int, n_jobs: int
) -> SegmentSet:
    """Read a corpus, draw views of each utterance and cut all into segments.

    A view depends on the seed, the utterance's place in the list and the view's number alone.

    Raises:
        CorpusError: if a recording cannot be read, or is empty.
    """
    from joblib import Parallel, delayed

    def cut(number: int) -> list[tuple[NDArray[np.int16], int, int, int]]:
        wave = _load(utterances[number])
        cuts = []
        for view in range(n_views + 1):
            seen = make_view(wave, settings, np.random.default_rng([seed, number, view])) if view else wave
            for start in range(0, len(seen), SEGMENT_SAMPLES):
                piece = seen[start : start + SEGMENT_SAMPLES]
                samples = np.zeros(SEGMENT_SAMPLES, np.int16)
                samples[: len(piece)] = np.rint(piece * _FULL_SCALE).clip(-32768, 32767)
                cuts.append((samples, len(piece), number, view))
        return cuts

    parallel = Parallel(n_jobs=n_jobs, backend="threading")
    cuts = [piece for pieces in parallel(delayed(cut)(n) for n in range(len(utterances))) for piece in pieces]
    samples, n_samples, utterance, view = zip(*cuts, strict=True)
    return SegmentSet(np.stack(samples), np.array(n_samples), np.array(utterance), np.array(view))


def _load(utterance: Utterance) -> NDArray[np.float32]:
    try:
        wave = load(utterance.path, utterance.start_s, utterance.end_s, utterance.channel)
    except AudioError as error:
        raise CorpusError(f"{utterance.path}: {error.what}", "Leave it out of the corpus or mend it.") from error
    if not len(wave):
        raise CorpusError(f"{utterance.path}: no audio in it", "Leave it out of the corpus or mend it.")
    return wave
