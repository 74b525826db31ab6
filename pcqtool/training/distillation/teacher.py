"""A teacher: a frozen pre-trained encoder with a linear classifier on its mean frames."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from pcqtool.audio.segment import SEGMENT_SAMPLES
from pcqtool.model.encoders import MiniEncoder
from pcqtool.model.encoders.pretrained import PretrainedEncoder
from pcqtool.model.network import NetworkConfig
from pcqtool.progress import OnProgress, ignore
from pcqtool.training.blocks import Rows
from pcqtool.training.data import SegmentSet, TrainingSetup
from pcqtool.training.distillation.feature_distillation import TeacherStates
from pcqtool.training.feature_cache import cache_states, states_fingerprint
from pcqtool.training.loss import ABSENT, balanced_weights
from pcqtool.training.recipe import Recipe

_BATCH = 64
_PENALTY = 0.01  # of the logistic regression's squared weights, against a mean loss
_MAX_STEPS = 150
_MIN_SD = 1e-6


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
    network: NetworkConfig,
    device: torch.device,
    on_progress: OnProgress = ignore,
) -> Teacher:
    """Encode all segments with the teacher's encoder, once for both kinds of distillation.

    Args:
        encoder: the teacher's, with the layers of ``teacher_layers``.
        data: the segments.
        recipe: the settings of the distillation.
        network: the student. For feature distillation the teacher's states get the frame rate of its mini encoder.
        device: where to compute.
        on_progress: called after every batch.

    Raises:
        TrainingError: if a state exceeds the range of float16.
    """
    layers, distillation, features = teacher_layers(recipe), recipe.distillation, recipe.feature_distillation
    frame_pool, n_frames = getattr(network, "frame_pool", 1), None
    if features is not None:
        frame_pool, n_frames = _frame_rate(encoder, MiniEncoder(network.encoder), features.frame_pool)
    states = cache_states(encoder, data, device, on_progress, frame_pool, n_frames)
    means = None
    if distillation is not None:
        means = mean_frames(states, data, [layers.index(layer) for layer in distillation.layers])
    if features is None:
        return Teacher(means, None)
    key = states_fingerprint(encoder, data, frame_pool, n_frames)
    return Teacher(means, TeacherStates(states, len(features.layers), key))


def _frame_rate(teacher: PretrainedEncoder, student: MiniEncoder, frame_pool: int) -> tuple[int, int | None]:
    """Return how ``cache_states`` gives the teacher's states the frame rate of the student's averaged frames."""
    n_student = student.count_frames(SEGMENT_SAMPLES)
    n_teacher = teacher.encode(torch.zeros(1, SEGMENT_SAMPLES, device=next(teacher.parameters()).device)).shape[2]
    if n_teacher % n_student == 0:
        return n_teacher // n_student * frame_pool, None
    return 1, -(-n_student // frame_pool)


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


def fit_teacher_classifier(means: NDArray[np.float32], setup: TrainingSetup) -> NDArray[np.float32]:
    """Fit the teacher's classifier on the training recordings themselves, and predict them.

    The means of each corpus are standardised by its own mean and standard deviation over the training recordings.

    Args:
        means: mean frames, ``(S, K)``.
        setup: the segments, and what is trained on.

    Returns:
        Log-probabilities ``(S, L)``. All segments of all versions of an utterance have those of the recording itself:
        the student learns to predict them in noise too.
    """
    data, train, corpus = setup.data, np.asarray(setup.train), setup.groups.corpus
    recorded = data.version == 0
    n_samples, utterance = data.n_samples[recorded], data.utterance[recorded]
    pooled = np.zeros((len(setup.targets), means.shape[1]))  # (U, K), weighted by duration
    np.add.at(pooled, utterance, means[recorded] * n_samples[:, None])
    pooled /= np.bincount(utterance, n_samples)[:, None]
    for number in np.unique(corpus[train]):
        members = train[corpus[train] == number]
        mean, sd = pooled[members].mean(axis=0), pooled[members].std(axis=0)
        pooled[corpus == number] = (pooled[corpus == number] - mean) / np.maximum(sd, _MIN_SD)
    allowed = setup.allowed_classes[corpus]
    weights = balanced_weights(setup)
    log_probs = _fit_logistic(pooled[train], setup.targets[train], allowed[train], weights)(pooled, allowed)
    return log_probs[data.utterance]


def _fit_logistic(
    features: NDArray[np.float64], targets: NDArray[np.int64], allowed: NDArray[np.bool_], weights: NDArray[np.float64]
) -> Callable[[NDArray[np.float64], NDArray[np.bool_]], NDArray[np.float32]]:
    """Fit a multinomial logistic regression in which each row has its own set of possible classes.

    Args:
        features: ``(N, K)``.
        targets: ``(N,)``.
        allowed: ``(N, L)``, the possible classes.
        weights: ``(N,)``, which sum to 1.

    Returns:
        A function that predicts the log-probabilities ``(M, L)`` of features ``(M, K)`` and their possible classes.
    """
    weight = torch.zeros(features.shape[1], allowed.shape[1], requires_grad=True)
    bias = torch.zeros(allowed.shape[1], requires_grad=True)
    x, y, w = torch.from_numpy(features).float(), torch.from_numpy(targets), torch.from_numpy(weights).float()
    absent = torch.from_numpy(~allowed)
    optimiser = torch.optim.LBFGS([weight, bias], max_iter=_MAX_STEPS, history_size=20, line_search_fn="strong_wolfe")

    def loss() -> float:
        optimiser.zero_grad()
        logits = (x @ weight + bias).masked_fill(absent, ABSENT)
        value = (w * functional.cross_entropy(logits, y, reduction="none")).sum() + _PENALTY * weight.square().sum()
        value.backward()  # type: ignore[no-untyped-call]
        return value.item()

    optimiser.step(loss)  # type: ignore[no-untyped-call]

    def predict(rows: NDArray[np.float64], possible: NDArray[np.bool_]) -> NDArray[np.float32]:
        with torch.no_grad():
            logits = torch.from_numpy(rows).float() @ weight + bias
            found: NDArray[np.float32] = logits.masked_fill(torch.from_numpy(~possible), ABSENT).log_softmax(1).numpy()
        return found

    return predict
