"""Speaker adaptation: each speaker's mean offset is subtracted from the encoder's frames.

It needs several recordings of each speaker, but no labels. It is cepstral mean normalisation (Atal, 1974) over a
speaker instead of a recording, and on hidden states instead of cepstra.
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
    """Return the difference of each speaker's mean frame from the mean over speakers.

    Only the recordings themselves count, weighted by duration, without augmented versions. All speakers count equally.

    Args:
        means: ``(S, K)``, mean frame of each segment.
        data: the segments.
        utterances: the corpus's list, U utterances with speakers.

    Returns:
        ``(U, K)``, the offset of each utterance's speaker.

    Raises:
        CorpusError: if the speaker of an utterance is unknown.
    """
    if unknown := next((each for each in utterances if each.speaker is None), None):
        raise CorpusError(f"adaptation needs every utterance's speaker; {unknown.path} has none")
    names, speaker = np.unique([each.speaker or "" for each in utterances], return_inverse=True)
    recorded = data.version == 0
    speaker_of_segment, weights = speaker[data.utterance[recorded]], data.n_samples[recorded].astype(np.float64)
    totals = np.zeros((len(names), means.shape[1]))
    np.add.at(totals, speaker_of_segment, means[recorded] * weights[:, None])
    centres = totals / np.bincount(speaker_of_segment, weights, len(names))[:, None]
    offsets: NDArray[np.float32] = (centres - centres.mean(axis=0)).astype(np.float32)[speaker]
    return offsets
