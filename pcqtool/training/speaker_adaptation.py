"""Adaptation to speakers: what is the same in all of a speaker's recordings is taken out of the encoder's frames.

This needs several recordings of each speaker, and nothing else: no labels. It is cepstral mean normalisation (Atal,
1974) over a speaker instead of a recording, on hidden states instead of cepstra.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pcqtool.corpora.base import Utterance
from pcqtool.errors import CorpusError
from pcqtool.training.data import SegmentSet


def speaker_offsets(
    means: NDArray[np.float32], data: SegmentSet, utterances: Sequence[Utterance]
) -> NDArray[np.float32]:
    """Say by how much each speaker's mean frame differs from the mean over speakers.

    The recordings themselves count, by their length; further views of them do not. All speakers count alike.

    Args:
        means: ``(S, K)``, mean frame of each segment.
        data: the segments.
        utterances: U of them, with their speakers.

    Returns:
        ``(U, K)``, the offset of each utterance's speaker.

    Raises:
        CorpusError: if the speaker of an utterance is not known.
    """
    if unknown := next((each for each in utterances if each.speaker is None), None):
        raise CorpusError(f"adaptation needs every utterance's speaker; {unknown.path} has none")
    names, speaker = np.unique([each.speaker or "" for each in utterances], return_inverse=True)
    own = data.view == 0
    of_segment, weights = speaker[data.utterance[own]], data.n_samples[own].astype(np.float64)
    totals = np.zeros((len(names), means.shape[1]))
    np.add.at(totals, of_segment, means[own] * weights[:, None])
    centres = totals / np.bincount(of_segment, weights, len(names))[:, None]
    offsets: NDArray[np.float32] = (centres - centres.mean(axis=0)).astype(np.float32)[speaker]
    return offsets
