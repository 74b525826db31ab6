"""The training loop: train a network on a training part and stop early by a validation part."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from pcqtool.aggregation import aggregate
from pcqtool.errors import TrainingError
from pcqtool.model.device import raising_memory_errors
from pcqtool.model.network import AnyNetwork
from pcqtool.model.pcq import PCQ, PCQConfig
from pcqtool.model.profile import Profile, mean_profile
from pcqtool.training.checkpoint import Checkpoint
from pcqtool.training.data import SegmentSet, TrainingSetup, count_batches, draw_batches
from pcqtool.training.loss import ABSENT, Loss, regularised_loss
from pcqtool.training.network_inputs import FrontEnds, TrainingBatches, with_statistics
from pcqtool.training.optimiser import lr_factor, make_optimiser, restore_optimiser
from pcqtool.training.precision import choose_precision
from pcqtool.training.profiles import Assignment, Simulator, assign_profiles, profile_corpora
from pcqtool.training.recipe import Recipe

_BATCH = 64  # segments, for prediction


@dataclass(frozen=True)
class Epoch:
    """An entry of a training run's history."""

    number: int  # from 1
    loss: float  # mean training loss
    validation_loss: float  # mean negative log-likelihood of the validation files
    validation_wa: float  # accuracy over validation files
    validation_ua: float  # mean recall over their classes
    lr: float = 0.0  # learning rate at the epoch's end, of the weights that are not pre-trained
    seconds: float = field(default=0.0, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """Return the entry as JSON values."""
        return asdict(self)


def fit(
    setup: TrainingSetup,
    validation: Sequence[int],
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
    checkpoint: Checkpoint | None = None,
) -> tuple[AnyNetwork, list[Epoch]]:
    """Train a network and return it with the weights of the epoch with the smallest validation loss.

    With a checkpoint, a run that was killed resumes after its last complete epoch and ends with the same weights.

    Args:
        setup: network, data and recipe.
        validation: indices of the utterances that decide when to stop.
        on_epoch: called after every epoch that is run; not for those before a resumption.
        checkpoint: stores the state of the run after every epoch.

    Raises:
        TrainingError: if the loss or a prediction is not a number, or if memory runs out.
        SettingsError: if the checkpoint belongs to a run with other settings.
    """
    recipe = setup.recipe
    with explaining_memory_errors(recipe):
        state = TrainingState(setup)
        front_ends = FrontEnds.of(state.ema_model, setup.data, setup.data.recorded_rows(validation))
        best: dict[str, Tensor] = {}
        history: list[Epoch] = []
        if checkpoint is not None and (saved := checkpoint.read()) is not None:
            state.restore(saved["state"])
            best, history = saved["best"], [Epoch(**entry) for entry in saved["history"]]
        n_epochs = recipe.epochs if state.model.is_fitted_by_gradients else 1
        for number in range(len(history) + 1, n_epochs + 1):
            if history and history[-1].number - best_epoch(history).number >= recipe.patience:
                break  # early stopping
            started_s = time.monotonic()
            loss = train_epoch(state, number)
            scores = validate(setup, front_ends, validation, number)
            history.append(Epoch(number, loss, *scores, state.lr, round(time.monotonic() - started_s, 3)))
            if best_epoch(history).number == number:
                best = {name: value.clone() for name, value in trainable_state(state.ema_model).items()}
            if checkpoint is not None:
                entries = [epoch.to_dict() for epoch in history]
                checkpoint.write({"state": state.to_dict(), "best": best, "history": entries})
            on_epoch(history[-1])
    state.model.load_state_dict(best, strict=False)
    return state.model.eval(), history


def refit(setup: TrainingSetup, n_epochs: int) -> AnyNetwork:
    """Train as ``fit`` does, without a validation part, for the number of epochs that was found to be best."""
    with explaining_memory_errors(setup.recipe):
        state = TrainingState(setup)
        for number in range(1, n_epochs + 1):
            train_epoch(state, number)
    state.model.load_state_dict(trainable_state(state.ema_model), strict=False)
    return state.model.eval()


def best_epoch(history: Sequence[Epoch]) -> Epoch:
    """Return the epoch with the smallest validation loss, the first of equal ones."""
    return min(history, key=lambda epoch: epoch.validation_loss)


def train_epoch(state: TrainingState, number: int) -> float:
    """Train on one version of every training utterance; return the mean loss of a step."""
    setup, recipe = state.setup, state.setup.recipe
    state.model.train()
    state.assignment = state.simulator.draw(state.rng) if state.simulator is not None else None
    batches = draw_batches(setup, recipe.batch_size, state.rng)
    n = recipe.grad_accumulation
    try:
        losses = [state.step(batches[start : start + n]) for start in range(0, len(batches), n)]
    except TrainingError as error:
        raise TrainingError(f"{error.what} in epoch {number}", error.hint) from error
    return float(np.mean(losses))


class TrainingState:
    """Network, EMA, optimiser, schedule, gradient scaler and random generators of a training run.

    The network's weights are random except the encoder's. ``to_dict`` and ``restore`` are each other's inverse, bit
    for bit on the same machine.
    """

    def __init__(self, setup: TrainingSetup) -> None:
        self.setup, self.device, recipe = setup, setup.device, setup.recipe
        torch.manual_seed(recipe.seed)
        config = setup.config
        if isinstance(config, PCQConfig):
            config = with_statistics(config, setup.data, setup.train)
        self.model = setup.network(config)
        if (encoder := setup.encoder) is not None:
            is_trained = any(parameter.requires_grad for parameter in encoder.parameters())
            self.model.encoder = copy.deepcopy(encoder) if is_trained else encoder
        self.model.to(self.device)
        self.front_ends = FrontEnds.of(self.model, setup.data, setup.data.all_rows(setup.train))
        self.simulator: Simulator | None = None
        self.assignment: Assignment | None = None  # of the epoch
        if isinstance(self.model, PCQ) and self.model.config.profile_s:
            self.simulator = self._simulator(self.model)
            self.model.standardisation.keep_profile(self.simulator.own)
        with torch.no_grad():
            self.model.eval().prepare(TrainingBatches(self.front_ends, setup))
        self.loss = Loss(setup).to(self.device)
        self.rng = np.random.default_rng(recipe.seed)
        self.precision = choose_precision(recipe.precision, self.device, self.model)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.precision is torch.float16)
        self.optimiser = make_optimiser(self.model, recipe)
        n_steps = recipe.epochs * count_batches(setup, recipe.batch_size * recipe.grad_accumulation)
        factor = lr_factor(recipe.warmup_steps, n_steps, recipe.schedule)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimiser, factor)
        average = get_ema_multi_avg_fn(recipe.ema)  # type: ignore[no-untyped-call]
        self.ema = AveragedModel(self.model, multi_avg_fn=average, use_buffers=True)

    def _simulator(self, model: PCQ) -> Simulator:
        """Return the simulator of profiles; the training data's own profile is the mean of those of its corpora."""
        setup, config = self.setup, model.config
        data, front_ends = setup.data, self.front_ends

        def profile(utterances: NDArray[np.int64], rng: np.random.Generator) -> Profile:
            version = int(rng.integers(0, data.n_augmented + 1))
            return front_ends.profile(np.concatenate([data.rows(utterance, version) for utterance in utterances]))

        own = mean_profile(list(profile_corpora(front_ends, setup.groups, setup.train).values()))
        n_elements = model.standardisation.n_elements
        simulated = setup.recipe.profiles
        return Simulator(simulated, setup.groups, setup.train, profile, own, config.profile_s, n_elements)

    @property
    def ema_model(self) -> AnyNetwork:
        """The network with the moving average of the weights."""
        return cast(AnyNetwork, self.ema.module)

    @property
    def lr(self) -> float:
        """The highest learning rate of the next step, which is that of the weights that are not pre-trained."""
        return max(float(group["lr"]) for group in self.optimiser.param_groups)

    def step(self, batches: Sequence[NDArray[np.int64]]) -> float:
        """Take one optimiser step on one batch, or on several by gradient accumulation; return the mean loss.

        A batch's weight is its duration, so that several batches have the gradient of one large batch.

        Raises:
            TrainingError: if the loss is not a number.
        """
        trains = self.model.is_fitted_by_gradients  # else only the loss is of interest
        self.optimiser.zero_grad(set_to_none=True)
        durations = [float(self.setup.data.n_samples[rows].sum()) for rows in batches]
        total = 0.0
        for rows, duration in zip(batches, durations, strict=True):
            inputs = self.front_ends(rows, self.assignment)
            with torch.autocast(self.device.type, self.precision, enabled=self.precision is not torch.float32):
                loss = regularised_loss(self.model, self.loss, inputs, rows, self.rng)
            loss = loss * (duration / sum(durations))
            if not torch.isfinite(loss):
                raise TrainingError("the loss is not a number", "Lower the learning rate.")
            if trains:
                self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
            total += loss.item()
        if not trains:
            return total
        self.scaler.unscale_(self.optimiser)
        nn.utils.clip_grad_norm_(self.model.parameters(), self.setup.recipe.max_grad_norm)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.schedule.step()
        self.ema.update_parameters(self.model)
        return total

    def to_dict(self) -> dict[str, Any]:
        """Return everything that decides how training continues, without the constant weights of a frozen encoder."""
        return {
            "model": trainable_state(self.model),
            "ema": trainable_state(self.ema_model),
            "n_averaged": int(self.ema.n_averaged),
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
            "scaler": self.scaler.state_dict(),
            "rng": self.rng.bit_generator.state,
            "torch_rng": torch.get_rng_state(),
            "cuda_rng": torch.cuda.get_rng_state(self.device) if self.device.type == "cuda" else None,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Restore what ``to_dict`` returned; its keys may have become strings."""
        self.model.load_state_dict(state["model"], strict=False)
        self.ema_model.load_state_dict(state["ema"], strict=False)
        self.ema.n_averaged.fill_(state["n_averaged"])
        restore_optimiser(self.optimiser, state["optimiser"])
        self.schedule.load_state_dict(state["schedule"])
        self.scaler.load_state_dict(state["scaler"])
        self.rng.bit_generator.state = state["rng"]
        torch.set_rng_state(state["torch_rng"])
        if state["cuda_rng"] is not None and self.device.type == "cuda":
            torch.cuda.set_rng_state(state["cuda_rng"], self.device)


def trainable_state(model: AnyNetwork) -> dict[str, Tensor]:
    """Return a network's state without the weights of a frozen encoder; its ``mix`` is trained."""
    state: dict[str, Tensor] = model.state_dict()
    if not model.config.encoder.frozen:
        return state
    return {name: value for name, value in state.items() if name == "encoder.mix" or not name.startswith("encoder.")}


def validate(
    setup: TrainingSetup, front_ends: FrontEnds, validation: Sequence[int], number: int
) -> tuple[float, float, float]:
    """Return loss, WA and UA of the validation files, each with the classes and the profile of its corpus.

    Raises:
        TrainingError: if a prediction is not a number.
    """
    truth = setup.targets[list(validation)]
    logits = predict_validation(setup, front_ends, validation)
    if not all(np.isfinite(each).all() for each in logits):
        raise TrainingError(f"the model's output is not a number in epoch {number}", "Lower the learning rate.")
    probabilities = file_probabilities(logits, setup.data, validation, setup.recipe.aggregation)
    correct = probabilities.argmax(axis=1) == truth
    nll = -np.log(probabilities[np.arange(len(truth)), truth].clip(1e-12)).mean()
    ua = np.mean([correct[truth == label].mean() for label in np.unique(truth)])
    return float(nll), float(correct.mean()), float(ua)


def predict_validation(
    setup: TrainingSetup, front_ends: FrontEnds, validation: Sequence[int]
) -> list[NDArray[np.float64]]:
    """Predict the logits of validation utterances; a class that an utterance's corpus lacks is as good as excluded."""
    logits = predict_logits(front_ends, validation, assign_profiles(front_ends, setup.groups, validation))
    allowed = setup.allowed_classes[setup.groups.corpus[list(validation)]]
    return [np.where(mask, each, ABSENT) for each, mask in zip(logits, allowed, strict=True)]


def predict_logits(
    front_ends: FrontEnds, utterances: Sequence[int], assignment: Assignment | None = None
) -> list[NDArray[np.float64]]:
    """Predict the logits ``(n, L)`` of the segments of each utterance, without augmentation.

    Args:
        front_ends: of the network, with the segments of these utterances.
        utterances: their indices.
        assignment: the profiles; ``None`` for the training data's.
    """
    model, data = front_ends.model.eval(), front_ends.data
    with torch.inference_mode():
        parts = [
            model.predict(front_ends(rows, assignment)).logits.double().cpu().numpy()
            for rows in data.batches(_BATCH, data.recorded_rows(utterances))
        ]
    ends = np.cumsum([len(data.rows(utterance)) for utterance in utterances])
    return np.split(np.concatenate(parts), ends[:-1])


def file_probabilities(
    logits: Sequence[NDArray[np.float64]],
    data: SegmentSet,
    utterances: Sequence[int],
    rule: str,
    temperature: float = 1.0,
) -> NDArray[np.float64]:
    """Aggregate the logits of each utterance's segments to probabilities ``(U, L)``, as labelling does."""
    durations = [data.n_samples[data.rows(utterance)].astype(np.float64) for utterance in utterances]
    return np.stack([aggregate(z / temperature, d, rule) for z, d in zip(logits, durations, strict=True)])


@contextmanager
def explaining_memory_errors(recipe: Recipe) -> Iterator[None]:
    """Turn a lack of memory into a ``TrainingError`` that names the settings that need less."""
    try:
        with raising_memory_errors():
            yield
    except MemoryError as error:
        half, twice = max(recipe.min_batch_size, recipe.batch_size // 2), recipe.grad_accumulation * 2
        hint = (
            f"In your own recipe, set batch_size = {half} and grad_accumulation = {twice}: steps stay the same, "
            "except for the statistics of batch normalisation."
        )
        if half == recipe.batch_size:
            hint = "Batches cannot be smaller: take a smaller encoder, or a device with more memory."
        raise TrainingError(f"out of memory with batches of {recipe.batch_size} segments", hint) from error
