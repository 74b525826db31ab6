"""A teacher: a pre-trained encoder, frozen, with a linear classifier on its mean frames."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from pcqtool.model.encoders import EncoderConfig, MiniEncoder
from pcqtool.model.encoders.pretrained import load_pretrained
from pcqtool.training.data import SegmentSet
from pcqtool.training.distillation.imitation import TeacherStates
from pcqtool.training.feature_cache import fingerprint, keep_states
from pcqtool.training.recipe import Recipe

_BATCH = 64
_C = 0.03  # of the logistic regression: strong regularisation, for there are more features than utterances
_IMPOSSIBLE = -1e4  # for the logarithm of 0, which would make the student's loss NaN


@dataclass(frozen=True)
class Teacher:
    """What a pre-trained encoder says of every segment; it knows no labels.

    Attributes:
        means: ``(S, K)``, its mean frame of each segment, for a classifier on them; ``None`` if the recipe wants none.
        model: its frames, for a small encoder to imitate; ``None`` if there is none.
    """

    means: NDArray[np.float32] | None
    model: TeacherStates | None

    @property
    def digest(self) -> str:
        """Hash of all that it says."""
        means = b"" if self.means is None else np.ascontiguousarray(self.means).data
        return hashlib.sha256(means).hexdigest() + ("" if self.model is None else self.model.key)


def encode_with_teacher(
    encoder: str | Path,
    data: SegmentSet,
    recipe: Recipe,
    student: EncoderConfig,
    device: torch.device,
    on_batch: Callable[[int, int], None] = lambda done, total: None,
) -> Teacher:
    """Let a teacher's encoder hear all segments, once.

    Args:
        encoder: directory or Hub id.
        data: the segments.
        recipe: says what is learnt from the teacher, and which of its hidden states are needed.
        student: the encoder that imitates, if the recipe says so: the teacher's frames are brought to its rate.
        device: where to compute.
        on_batch: told how many segments of how many are done.

    Raises:
        ModelError: if there is no such encoder, or it lacks a layer.
        TrainingError: as ``keep_states`` does.
    """
    judged = recipe.distillation.layers if recipe.distillation is not None else ()
    imitated = recipe.feature_distillation.layers if recipe.feature_distillation is not None else ()
    layers = tuple(dict.fromkeys([*imitated, *judged]))
    teacher = load_pretrained(encoder, layers, frozen=True)
    n_frames = MiniEncoder(student).count_frames(data.samples.shape[1]) if imitated else None
    states = keep_states(teacher, data, device, on_batch, n_frames)
    means = mean_frames(states, data, [layers.index(layer) for layer in judged]) if judged else None
    model = TeacherStates(states, len(imitated), fingerprint(teacher, data, n_frames)) if imitated else None
    return Teacher(means, model)


def mean_frames(states: NDArray[np.float16], data: SegmentSet, columns: Sequence[int]) -> NDArray[np.float32]:
    """Average hidden states of all segments over time, padding left out.

    Args:
        states: ``(S, m, T, D)``, the teacher's.
        data: the segments.
        columns: which of the m hidden states.

    Returns:
        Mean frames side by side, ``(S, len(columns) · D)``.
    """
    n_frames = np.ceil(data.n_samples / data.samples.shape[1] * states.shape[2])
    means = np.empty((len(states), len(columns) * states.shape[3]), np.float32)
    for start in range(0, len(states), _BATCH):
        rows = slice(start, start + _BATCH)
        inside = np.arange(states.shape[2]) < n_frames[rows, None]
        shares = (inside / n_frames[rows, None]).astype(np.float32)
        means[rows] = np.einsum("sntd,st->snd", states[rows][:, list(columns)], shares).reshape(-1, means.shape[1])
    return means


def fit_teacher_classifier(
    means: NDArray[np.float32], data: SegmentSet, targets: NDArray[np.int64], train: Sequence[int]
) -> NDArray[np.float32]:
    """Fit the teacher's classifier on the training utterances themselves and let it judge all views.

    Args:
        means: what ``mean_frames`` gave.
        data: the segments.
        targets: ``(U,)`` class of each utterance; those outside ``train`` are not looked at.
        train: indices of the training utterances.

    Returns:
        Log-probabilities ``(S, L)``, those of the view of the utterance that a segment belongs to.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    key = data.utterance * (data.n_augmented + 1) + data.view
    views, member = np.unique(key, return_inverse=True)
    weights = np.bincount(member, data.n_samples)
    pooled = np.zeros((len(views), means.shape[1]))
    np.add.at(pooled, member, means * data.n_samples[:, None])
    pooled /= weights[:, None]
    own = np.searchsorted(views, np.asarray(train) * (data.n_augmented + 1))
    classifier = make_pipeline(StandardScaler(), LogisticRegression(C=_C, max_iter=500))
    classifier.fit(pooled[own], targets[list(train)])
    with np.errstate(divide="ignore"):
        log_probs = np.maximum(classifier.predict_log_proba(pooled)[member], _IMPOSSIBLE)
    return np.asarray(log_probs, np.float32)
