"""The training loop: one model, one fold."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from pcqtool.audio.spectrogram import Spectrogram
from pcqtool.errors import TrainingError
from pcqtool.model.encoders.pretrained import load_pretrained
from pcqtool.model.pcq import PCQ, PCQConfig
from pcqtool.tables.aggregate import aggregate
from pcqtool.training.data import SegmentSet
from pcqtool.training.front_ends import FrontEnds
from pcqtool.training.loss import Loss, mixed_loss
from pcqtool.training.recipe import Recipe
from pcqtool.training.teacher import Lesson

_BATCH = 64  # of segments that are judged and not learned from


@dataclass(frozen=True)
class Epoch:
    """A line of a training run's history: mean training loss, and loss and accuracy over validation files."""

    number: int
    loss: float
    validation_loss: float
    validation_wa: float
    validation_ua: float

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
    lesson: Lesson | None = None,
    encoder: str | None = None,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
) -> tuple[PCQ, list[Epoch]]:
    """Train a model; it comes back as it was after the epoch with the smallest validation loss.

    Args:
        config: the network; its spectrogram statistics are replaced by those of the training utterances.
        data: segments of the corpus.
        targets: ``(U,)`` class of each utterance.
        train: indices of the utterances to learn from.
        validation: indices of the utterances that decide when to stop.
        recipe: the settings.
        device: where to compute.
        lesson: what a teacher says of the segments.
        encoder: directory or Hub id of the pre-trained encoder whose weights to begin with.
        on_epoch: told of every epoch.

    Raises:
        TrainingError: if the loss, or what the model says of the validation part, is no longer a number.
    """
    torch.manual_seed(recipe.seed)
    rng = np.random.default_rng(recipe.seed)
    model = PCQ(with_statistics(config, data, train))
    if encoder is not None:
        model.encoder = load_pretrained(encoder, config.encoder.layers, config.encoder.frozen)
    model.to(device)
    seen = FrontEnds(model, data, train)
    loss_of = Loss(model, data, targets, train, recipe, lesson).to(device)
    optimiser = _optimiser(model, loss_of, recipe)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, _factor(recipe, data, train))
    rule = get_ema_multi_avg_fn(recipe.ema)  # type: ignore[no-untyped-call]
    mean = AveragedModel(model, multi_avg_fn=rule, use_buffers=True)
    averaged = cast(PCQ, mean.module)
    best: tuple[float, dict[str, Tensor]] = (math.inf, {})
    history: list[Epoch] = []
    for number in range(1, recipe.epochs + 1):
        losses = []
        model.train()
        for rows in _batches(data, train, recipe, rng):
            loss = mixed_loss(model, loss_of, seen(rows), rows, recipe, rng)
            if not torch.isfinite(loss):
                raise _diverged(number)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(model.parameters(), recipe.clip)
            optimiser.step()
            schedule.step()
            mean.update_parameters(model)
            losses.append(loss.item())
        history.append(_validate(averaged, data, targets, validation, recipe, number, float(np.mean(losses))))
        on_epoch(history[-1])
        if history[-1].validation_loss < best[0]:
            best = (history[-1].validation_loss, copy.deepcopy(averaged.state_dict()))
        elif number - min(history, key=lambda epoch: epoch.validation_loss).number >= recipe.patience:
            break
    model.load_state_dict(best[1])
    return model.eval(), history


def with_statistics(config: PCQConfig, data: SegmentSet, train: Sequence[int]) -> PCQConfig:
    """Put the mean and standard deviation of the training utterances' spectrograms into the configuration."""
    spectrogram = Spectrogram(config.spectrogram)
    rows = np.concatenate([data.rows(utterance) for utterance in train])
    n, total, squares = 0, 0.0, 0.0
    for start in range(0, len(rows), _BATCH):
        part = rows[start : start + _BATCH]
        level = spectrogram(torch.from_numpy(data.waves(part))).double()
        n_frames = torch.from_numpy(data.n_samples[part]) // config.spectrogram.hop
        level = level[torch.arange(level.shape[1]) < n_frames[:, None]]
        n, total, squares = n + level.numel(), total + level.sum().item(), squares + level.square().sum().item()
    mean = total / max(n, 1)
    return replace(config, mean_db=round(mean, 4), sd_db=round(math.sqrt(max(squares / max(n, 1) - mean**2, 1.0)), 4))


def judge(model: PCQ, data: SegmentSet, utterances: Sequence[int]) -> list[NDArray[np.float64]]:
    """Give the logits ``(n, L)`` of each utterance's segments, of the recording itself."""
    model.eval()
    device = next(model.parameters()).device
    groups = [data.rows(utterance) for utterance in utterances]
    rows = np.concatenate(groups)
    parts = []
    for start in range(0, len(rows), _BATCH):
        with torch.inference_mode():
            waves = torch.from_numpy(data.waves(rows[start : start + _BATCH])).to(device)
            parts.append(model(waves).logits.double().cpu().numpy())
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
    loss: float,
) -> Epoch:
    truth = targets[list(validation)]
    logits = judge(model, data, validation)
    if not all(np.isfinite(each).all() for each in logits):
        raise _diverged(number)
    probabilities = file_probabilities(logits, data, validation, recipe.aggregation)
    right = probabilities.argmax(axis=1) == truth
    nll = -np.log(probabilities[np.arange(len(truth)), truth].clip(1e-12)).mean()
    ua = np.mean([right[truth == label].mean() for label in np.unique(truth)])
    return Epoch(number, loss, float(nll), float(right.mean()), float(ua))


def _diverged(number: int) -> TrainingError:
    return TrainingError(f"the loss is not a number in epoch {number}", "Lower the learning rate.")


def _batches(
    data: SegmentSet, train: Sequence[int], recipe: Recipe, rng: np.random.Generator
) -> list[NDArray[np.int64]]:
    """Draw a view of every utterance and shuffle their segments; a last batch of one is left out."""
    views = rng.integers(0, data.n_views + 1, len(train))
    views[rng.random(len(train)) < recipe.own] = 0
    rows = np.concatenate([data.rows(utterance, view) for utterance, view in zip(train, views, strict=True)])
    rng.shuffle(rows)
    return [rows[i : i + recipe.batch_size] for i in range(0, max(len(rows) - 1, 1), recipe.batch_size)]


def _factor(recipe: Recipe, data: SegmentSet, train: Sequence[int]) -> Callable[[int], float]:
    n_rows = sum(len(data.rows(utterance)) for utterance in train)
    n_steps = recipe.epochs * max(1, n_rows // recipe.batch_size)

    def factor(step: int) -> float:
        rise = min(1.0, (step + 1) / max(1, recipe.warmup))
        if recipe.schedule == "constant":
            return rise
        return rise * max(1e-3, 0.5 * (1.0 + math.cos(math.pi * min(1.0, step / n_steps))))

    return factor


def _optimiser(model: PCQ, loss_of: Loss, recipe: Recipe) -> torch.optim.AdamW:
    """AdamW with the encoder's own learning rate, if it is pre-trained, and no decay of biases and scales."""
    pretrained = model.config.encoder.kind not in ("none", "mini")
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in [*model.named_parameters(), *loss_of.named_parameters()]:
        lr = recipe.encoder_lr if pretrained and name.startswith("encoder.model.") else recipe.lr
        decay = recipe.weight_decay if parameter.ndim > 1 else 0.0
        if parameter.requires_grad:
            groups.setdefault((lr, decay), []).append(parameter)
    return torch.optim.AdamW(
        [{"params": params, "lr": lr, "weight_decay": decay} for (lr, decay), params in groups.items()]
    )
