"""The training loop: one model, one fold."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pcqtool.aggregation import aggregate
from pcqtool.errors import TrainingError
from pcqtool.model.encoders import Encoder
from pcqtool.model.pcq import PCQ, PCQConfig
from pcqtool.training.checkpoint import Checkpoint
from pcqtool.training.data import SegmentSet, count_batches, draw_batches
from pcqtool.training.front_ends import FrontEnds, perceive, with_statistics
from pcqtool.training.learner import Learner, learnt
from pcqtool.training.loss import Loss
from pcqtool.training.memory import memory_reported
from pcqtool.training.recipe import Recipe

_BATCH = 64  # of segments that are judged and not learned from


@dataclass(frozen=True)
class Epoch:
    """A line of a training run's history.

    Attributes:
        number: from 1.
        loss: mean training loss.
        validation_loss: mean negative log-likelihood of the validation files.
        validation_wa: accuracy over validation files.
        validation_ua: mean recall over their classes.
        lr: learning rate at the epoch's end, of the part that is not pre-trained.
        seconds: that the epoch took; no part of a comparison.
    """

    number: int
    loss: float
    validation_loss: float
    validation_wa: float
    validation_ua: float
    lr: float = 0.0
    seconds: float = field(default=0.0, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """Give the line as JSON values."""
        return asdict(self)


def fit(
    config: PCQConfig,
    data: SegmentSet,
    targets: NDArray[np.int64],
    train: Sequence[int],
    validation: Sequence[int],
    recipe: Recipe,
    device: torch.device,
    lesson: NDArray[np.float32] | None = None,
    encoder: Encoder | None = None,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
    checkpoint: Checkpoint | None = None,
) -> tuple[PCQ, list[Epoch]]:
    """Train a model; it comes back as it was after the epoch with the smallest validation loss.

    With a checkpoint, a run that was killed goes on after its last whole epoch and ends with the same weights.

    Args:
        config: the network; its spectrogram statistics are replaced by those of the training utterances.
        data: segments of the corpus.
        targets: ``(U,)`` class of each utterance.
        train: indices of the utterances to learn from.
        validation: indices of the utterances that decide when to stop.
        recipe: the settings.
        device: where to compute.
        lesson: ``(S, L)``, log-probabilities that a teacher gives the segments.
        encoder: the encoder to begin with, of the configuration's kind and sizes; ``None`` for random weights.
        on_epoch: told of every epoch that is run; of those before a kill no more.
        checkpoint: where the state of the run is kept.

    Raises:
        TrainingError: if the loss, or what the model says of the validation part, is no longer a number; if memory
            does not suffice; if the checkpoint is damaged.
        SettingsError: if the checkpoint is of a run with other settings.
    """
    with memory_reported(recipe):
        learner, seen = _begin(config, data, targets, train, recipe, device, lesson, encoder)
        best: dict[str, Tensor] = {}
        history: list[Epoch] = []
        if checkpoint is not None and (state := checkpoint.read()) is not None:
            learner.restore(state["learner"])
            best, history = state["best"], [Epoch(**line) for line in state["history"]]
        for number in range(len(history) + 1, recipe.epochs + 1):
            if _is_over(history, recipe):
                break
            started_s = time.monotonic()
            loss = _pass(learner, seen, data, train, number)
            scores = _validate(learner.averaged, data, targets, validation, recipe, number)
            history.append(Epoch(number, loss, *scores, learner.lr, round(time.monotonic() - started_s, 3)))
            if best_epoch(history).number == number:
                best = {name: value.clone() for name, value in learnt(learner.averaged).items()}
            if checkpoint is not None:
                lines = [epoch.to_dict() for epoch in history]
                checkpoint.write({"learner": learner.state(), "best": best, "history": lines})
            on_epoch(history[-1])
    learner.model.load_state_dict(best, strict=False)
    return learner.model.eval(), history


def refit(
    config: PCQConfig,
    data: SegmentSet,
    targets: NDArray[np.int64],
    train: Sequence[int],
    n_epochs: int,
    recipe: Recipe,
    device: torch.device,
    lesson: NDArray[np.float32] | None = None,
    encoder: Encoder | None = None,
) -> PCQ:
    """Train as ``fit`` does, without a validation part, for as many epochs as have been found to be best."""
    with memory_reported(recipe):
        learner, seen = _begin(config, data, targets, train, recipe, device, lesson, encoder)
        for number in range(1, n_epochs + 1):
            _pass(learner, seen, data, train, number)
    learner.model.load_state_dict(learnt(learner.averaged), strict=False)
    return learner.model.eval()


def _begin(
    config: PCQConfig,
    data: SegmentSet,
    targets: NDArray[np.int64],
    train: Sequence[int],
    recipe: Recipe,
    device: torch.device,
    lesson: NDArray[np.float32] | None,
    encoder: Encoder | None,
) -> tuple[Learner, FrontEnds]:
    """Make a network with random weights, but for the encoder's, and what its training needs."""
    torch.manual_seed(recipe.seed)
    model = PCQ(with_statistics(config, data, train))
    if encoder is not None:
        model.encoder = encoder
    model.to(device)
    loss_of = Loss(model, data, targets, train, recipe, lesson).to(device)
    n_steps = recipe.epochs * count_batches(data, train, recipe.batch_size * recipe.grad_accumulation)
    return Learner(model, loss_of, recipe, n_steps), FrontEnds(model, data, train)


def _pass(learner: Learner, seen: FrontEnds, data: SegmentSet, train: Sequence[int], number: int) -> float:
    """Learn from one view of every training utterance; give the mean loss of a step."""
    learner.model.train()
    recipe, n = learner.recipe, learner.recipe.grad_accumulation
    batches = draw_batches(data, train, recipe.p_clean, recipe.batch_size, learner.rng)
    try:
        losses = [learner.step(batches[start : start + n], seen) for start in range(0, len(batches), n)]
    except TrainingError as error:
        raise TrainingError(f"{error.what} in epoch {number}", error.hint) from error
    return float(np.mean(losses))


def best_epoch(history: Sequence[Epoch]) -> Epoch:
    """Give the epoch that became the model: the smallest validation loss."""
    return min(history, key=lambda epoch: epoch.validation_loss)  # of equal ones the first


def _is_over(history: Sequence[Epoch], recipe: Recipe) -> bool:
    """Say whether the validation loss has not become smaller for too long."""
    return bool(history) and history[-1].number - best_epoch(history).number >= recipe.patience


def judge(model: PCQ, data: SegmentSet, utterances: Sequence[int]) -> list[NDArray[np.float64]]:
    """Give the logits ``(n, L)`` of each utterance's segments, of the recording itself."""
    model.eval()
    groups = [data.rows(utterance) for utterance in utterances]
    rows = np.concatenate(groups)
    parts = []
    for start in range(0, len(rows), _BATCH):
        with torch.inference_mode():
            inputs = perceive(model, data, rows[start : start + _BATCH])
            parts.append(model.classify(inputs).logits.double().cpu().numpy())
    return np.split(np.concatenate(parts), np.cumsum([len(group) for group in groups])[:-1])


def file_probabilities(
    logits: Sequence[NDArray[np.float64]],
    data: SegmentSet,
    utterances: Sequence[int],
    rule: str,
    temperature: float = 1.0,
) -> NDArray[np.float64]:
    """Make each utterance's probabilities ``(U, L)`` of its segments' logits, just as labelling does."""
    durations = [data.n_samples[data.rows(utterance)].astype(np.float64) for utterance in utterances]
    return np.stack([aggregate(z / temperature, d, rule) for z, d in zip(logits, durations, strict=True)])


def _validate(
    model: PCQ,
    data: SegmentSet,
    targets: NDArray[np.int64],
    validation: Sequence[int],
    recipe: Recipe,
    number: int,
) -> tuple[float, float, float]:
    """Give loss, WA and UA of the validation files."""
    truth = targets[list(validation)]
    logits = judge(model, data, validation)
    if not all(np.isfinite(each).all() for each in logits):
        raise TrainingError(f"the model's output is not a number in epoch {number}", "Lower the learning rate.")
    probabilities = file_probabilities(logits, data, validation, recipe.aggregation)
    right = probabilities.argmax(axis=1) == truth
    nll = -np.log(probabilities[np.arange(len(truth)), truth].clip(1e-12)).mean()
    ua = np.mean([right[truth == label].mean() for label in np.unique(truth)])
    return float(nll), float(right.mean()), float(ua)
