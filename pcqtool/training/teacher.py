"""A teacher: a pre-trained encoder, frozen, with a linear classifier on its mean frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from pcqtool.model.encoders.pretrained import load_pretrained
from pcqtool.training.data import SegmentSet
from pcqtool.training.recipe import Distillation

_BATCH = 32
_C = 0.03  # of the logistic regression: strong regularisation, for there are more features than utterances
_IMPOSSIBLE = -1e4  # for the logarithm of 0, which would make the student's loss NaN


@dataclass(frozen=True)
class Lesson:
    """What a teacher says of every segment of a set; made from the training part of a fold alone.

    Attributes:
        log_probs: ``(S, L)``, its judgement of the view of the utterance that a segment belongs to.
        means: ``(S, K)``, principal components of its mean frame of the segment, of unit variance.
    """

    log_probs: NDArray[np.float32]
    means: NDArray[np.float32]


def mean_frames(
    encoder: str | Path, data: SegmentSet, layers: Sequence[int], device: torch.device
) -> NDArray[np.float32]:
    """Run the teacher's encoder over all segments: mean frames ``(S, len(layers) · D)``, padding left out."""
    model = load_pretrained(encoder, tuple(layers), frozen=True).eval().to(device)
    means = []
    for start in range(0, len(data.samples), _BATCH):
        rows = np.arange(start, min(start + _BATCH, len(data.samples)))
        waves = torch.from_numpy(data.waves(rows)).to(device)
        with torch.inference_mode():
            states = torch.cat(model.hidden_states(model.front_end(waves)), dim=2).cpu()
        share = torch.from_numpy(data.n_samples[rows]) / data.samples.shape[1]
        n_frames = (share * states.shape[1]).ceil()
        inside = torch.arange(states.shape[1]) < n_frames[:, None]
        means.append(((states * inside[:, :, None]).sum(dim=1) / n_frames[:, None]).numpy().astype(np.float32))
    return np.concatenate(means)


def teach(
    means: NDArray[np.float32],
    data: SegmentSet,
    targets: NDArray[np.int64],
    train: Sequence[int],
    settings: Distillation,
) -> Lesson:
    """Fit the teacher's classifier on the training utterances themselves and let it judge all views.

    Args:
        means: what ``mean_frames`` gave.
        data: the segments.
        targets: ``(U,)`` class of each utterance; those outside ``train`` are not looked at.
        train: indices of the training utterances.
        settings: the distillation's; fewer components where there are too few segments for that many.
    """
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    key = data.utterance * (data.n_views + 1) + data.view
    views, member = np.unique(key, return_inverse=True)
    weights = np.bincount(member, data.n_samples)
    pooled = np.zeros((len(views), means.shape[1]))
    np.add.at(pooled, member, means * data.n_samples[:, None])
    pooled /= weights[:, None]
    own = np.searchsorted(views, np.asarray(train) * (data.n_views + 1))
    classifier = make_pipeline(StandardScaler(), LogisticRegression(C=_C, max_iter=500))
    classifier.fit(pooled[own], targets[list(train)])
    with np.errstate(divide="ignore"):
        log_probs = np.maximum(classifier.predict_log_proba(pooled)[member], _IMPOSSIBLE)
    seen = np.isin(data.utterance, train)
    scaler = StandardScaler().fit(means[seen])
    recordings = scaler.transform(means[seen & (data.view == 0)])
    n_components = max(1, min(settings.n_components, len(recordings) - 1, means.shape[1]))
    components = PCA(n_components, whiten=True, random_state=0).fit(recordings)
    return Lesson(log_probs.astype(np.float32), components.transform(scaler.transform(means)).astype(np.float32))
