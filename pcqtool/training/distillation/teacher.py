"""A teacher: a frozen pre-trained encoder with a linear classifier on its mean frames."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from pcqtool.model.encoders import EncoderConfig, MiniEncoder
from pcqtool.model.encoders.pretrained import PretrainedEncoder
from pcqtool.progress import OnProgress, ignore
from pcqtool.training.blocks import Rows
from pcqtool.training.data import SegmentSet
from pcqtool.training.distillation.feature_distillation import TeacherStates
from pcqtool.training.feature_cache import cache_states, states_fingerprint
from pcqtool.training.recipe import Recipe

_BATCH = 64
_C = 0.03  # of the logistic regression: strong regularisation, because features outnumber utterances
_MIN_LOG_PROB = -1e4  # in place of the logarithm of 0, which would make the student's loss NaN


@dataclass(frozen=True)
class Teacher:
    """A pre-trained encoder's outputs for all segments; they do not depend on labels."""

    means: NDArray[np.float32] | None  # (S, K), mean frames for the classifier; None without distillation
    states: TeacherStates | None  # None without feature distillation

    @property
    def digest(self) -> str:
        """Hash of all outputs."""
        means = b"" if self.means is None else np.ascontiguousarray(self.means).data
        return hashlib.sha256(means).hexdigest() + ("" if self.states is None else self.states.key)


def teacher_layers(recipe: Recipe) -> tuple[int, ...]:
    """Return the teacher's hidden states that a recipe needs, those for feature distillation first."""
    tables = (recipe.feature_distillation, recipe.distillation)
    return tuple(dict.fromkeys(layer for table in tables if table is not None for layer in table.layers))


def encode_with_teacher(
    encoder: PretrainedEncoder,
    data: SegmentSet,
    recipe: Recipe,
    student: EncoderConfig,
    device: torch.device,
    on_progress: OnProgress = ignore,
) -> Teacher:
    """Encode all segments with the teacher's encoder, once for both kinds of distillation.

    Args:
        encoder: the teacher's, with the layers of ``teacher_layers``.
        data: the segments.
        recipe: the settings of the distillation.
        student: the mini encoder, whose frame rate the teacher's states get for feature distillation.
        device: where to compute.
        on_progress: called after every batch.

    Raises:
        TrainingError: if a state exceeds the range of float16.
    """
    layers, distillation, features = teacher_layers(recipe), recipe.distillation, recipe.feature_distillation
    n_frames = MiniEncoder(student).count_frames(data.samples.shape[1]) if features is not None else None
    states = cache_states(encoder, data, device, on_progress, n_frames)
    means = None
    if distillation is not None:
        means = mean_frames(states, data, [layers.index(layer) for layer in distillation.layers])
    if features is None:
        return Teacher(means, None)
    key = states_fingerprint(encoder, data, n_frames)
    return Teacher(means, TeacherStates(states, len(features.layers), key))


def mean_frames(states: Rows[np.float16], data: SegmentSet, columns: Sequence[int]) -> NDArray[np.float32]:
    """Average hidden states of all segments over time, without the padding.

    Args:
        states: ``(S, m, T, D)``, the teacher's.
        data: the segments.
        columns: which of the m hidden states to average.

    Returns:
        Mean frames side by side, ``(S, len(columns) · D)``.
    """
    n_frames = np.ceil(data.n_samples / data.samples.shape[1] * states.shape[2])
    means = np.empty((len(states), len(columns) * states.shape[3]), np.float32)
    for rows in data.batches(_BATCH):
        valid = np.arange(states.shape[2]) < n_frames[rows, None]
        weights = (valid / n_frames[rows, None]).astype(np.float32)
        means[rows] = np.einsum("sntd,st->snd", states[rows][:, list(columns)], weights).reshape(-1, means.shape[1])
    return means


def fit_teacher_classifier(
    means: NDArray[np.float32], data: SegmentSet, targets: NDArray[np.int64], train: Sequence[int]
) -> NDArray[np.float32]:
    """Fit the teacher's classifier on the training recordings themselves, and predict all versions of all utterances.

    Args:
        means: mean frames, ``(S, K)``.
        data: the segments.
        targets: ``(U,)`` class of each utterance; only those in ``train`` are used.
        train: indices of the training utterances.

    Returns:
        Log-probabilities ``(S, L)``: each segment has those of its version of the utterance.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    key = data.utterance * (data.n_augmented + 1) + data.version
    versions, version_of_segment = np.unique(key, return_inverse=True)
    pooled = np.zeros((len(versions), means.shape[1]))  # weighted by duration
    np.add.at(pooled, version_of_segment, means * data.n_samples[:, None])
    pooled /= np.bincount(version_of_segment, data.n_samples)[:, None]
    recorded = np.searchsorted(versions, np.asarray(train) * (data.n_augmented + 1))
    classifier = make_pipeline(StandardScaler(), LogisticRegression(C=_C, max_iter=500))
    classifier.fit(pooled[recorded], targets[list(train)])
    with np.errstate(divide="ignore"):
        log_probs = np.maximum(classifier.predict_log_proba(pooled)[version_of_segment], _MIN_LOG_PROB)
    return np.asarray(log_probs, np.float32)
