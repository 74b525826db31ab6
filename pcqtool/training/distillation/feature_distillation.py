"""Feature distillation: the mini encoder learns to predict a teacher's frames (Chang et al., ICASSP 2022)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pcqtool.audio.segment import SEGMENT_S, SEGMENT_SAMPLES
from pcqtool.errors import CacheError, FileError, TrainingError
from pcqtool.fingerprint import fingerprint
from pcqtool.model.encoders import EncoderConfig, MiniEncoder
from pcqtool.model.pcq import pool_frames
from pcqtool.training.blocks import Rows
from pcqtool.training.checkpoint import Checkpoint
from pcqtool.training.data import SegmentSet, TrainingSetup, count_batches, draw_batches
from pcqtool.training.disk_cache import cache_folder, cache_writer, fall_back_to_memory, is_intact, read_intact
from pcqtool.training.muon import Muon
from pcqtool.training.optimiser import lr_factor, restore_optimiser
from pcqtool.training.precision import is_fast_in_bfloat16
from pcqtool.training.recipe import FeatureDistillation

_log = logging.getLogger(__name__)

_BATCH = 64
_WARMUP_STEPS = 50
_MAX_GRAD_NORM = 1.0
_ADAMW_LR = 0.05  # learning rate of AdamW, which trains everything but the matrices, as a fraction of Muon's
_MIN_SAMPLES = 0.4 * SEGMENT_SAMPLES / SEGMENT_S  # shorter segments are not trained on

OnEpoch = Callable[[int, float], None]
"""Called with the number of an epoch, from 1, and its mean loss."""


@dataclass(frozen=True)
class TeacherStates:
    """The teacher's hidden states that are distilled."""

    states: Rows[np.float16]  # (S, m, T, D), of all segments at the rate of the student's averaged frames
    n: int  # the first n of the m states are distilled
    key: str  # hash of teacher and segments

    def frames(self, rows: NDArray[np.int64]) -> NDArray[np.float16]:
        """Return the distilled states of segments, ``(len(rows), n, T, D)``."""
        return self.states[rows, : self.n]


def distil_features(
    setup: TrainingSetup,
    teacher: TeacherStates,
    on_epoch: OnEpoch = lambda number, loss: None,
    checkpoint: Checkpoint | None = None,
) -> dict[str, Tensor]:
    """Train the mini encoder to predict the teacher's states, on one version of every training utterance an epoch.

    With a checkpoint, a run that was killed resumes after its last complete epoch and ends with the same weights.

    Args:
        setup: its recipe's ``feature_distillation`` has the settings, its seed decides weights, order and crops.
        teacher: the targets.
        on_epoch: called after every epoch.
        checkpoint: stores the state of the run after every epoch.

    Returns:
        The encoder's weights, on the CPU.

    Raises:
        TrainingError: if the loss is not a number.
    """
    run = _Run(setup, teacher)
    history: list[dict[str, Any]] = []
    if checkpoint is not None and (saved := checkpoint.read()) is not None:
        run.restore(saved["state"])
        history = saved["history"]
    for number in range(len(history) + 1, run.settings.epochs + 1):
        loss = run.train_epoch(number)
        history.append({"number": number, "loss": loss})
        try:
            if checkpoint is not None:
                checkpoint.write({"state": run.to_dict(), "history": history})
        except FileError as error:  # the run is not worth less without it
            _log.warning("%s; a killed feature distillation will start from the beginning", error.what)
            checkpoint = None
        on_epoch(number, loss)
    weights = run.student.encoder.state_dict()
    return {name: value.detach().cpu().clone() for name, value in weights.items() if name != "mix"}


class _Run:
    """Student, optimisers, schedules and random generator of a run."""

    def __init__(self, setup: TrainingSetup, teacher: TeacherStates) -> None:
        self.setup, recipe, device = setup, setup.recipe, setup.device
        self.settings = recipe.feature_distillation or FeatureDistillation()
        torch.manual_seed(recipe.seed)
        self.rng = np.random.default_rng(recipe.seed)
        self.student = _Student(setup.config.encoder, teacher, self.settings.frame_pool).to(device).train()
        self.targets = _Targets.of(teacher, setup.data, setup.train).to(device)
        self.crops = _Crops(self.student, teacher, setup.data, setup.train, self.settings.crop_s, device)
        self.optimisers = _optimisers(self.student, self.settings)
        factor = lr_factor(_WARMUP_STEPS, self.settings.epochs * count_batches(setup, self.settings.batch_size))
        self.schedules = [torch.optim.lr_scheduler.LambdaLR(each, factor) for each in self.optimisers]
        self.in_bfloat16 = is_fast_in_bfloat16(device)

    def train_epoch(self, number: int) -> float:
        """Train on one version of every training utterance; return the mean loss."""
        n_samples, losses = self.setup.data.n_samples, []
        for rows in draw_batches(self.setup, self.settings.batch_size, self.rng):
            rows = rows[n_samples[rows] >= _MIN_SAMPLES]
            if len(rows):
                losses.append(self._step(self.crops.draw(rows, self.rng), number))
        return float(np.mean(losses)) if losses else 0.0

    def _step(self, batch: _Batch, number: int) -> float:
        with torch.autocast(self.setup.device.type, torch.bfloat16, enabled=self.in_bfloat16):
            predicted = self.student(batch.log_mel)
        loss = self.targets.loss(predicted.float(), batch, self.settings.mean_weight)
        if not torch.isfinite(loss):
            raise TrainingError(f"feature distillation: the loss is not a number in epoch {number}", "Lower its lr.")
        self.student.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.student.parameters(), _MAX_GRAD_NORM)
        for optimiser, schedule in zip(self.optimisers, self.schedules, strict=True):
            optimiser.step()
            schedule.step()
        return loss.item()

    def to_dict(self) -> dict[str, Any]:
        """Return everything that decides how training continues."""
        return {
            "student": self.student.state_dict(),
            "optimisers": [optimiser.state_dict() for optimiser in self.optimisers],
            "schedules": [schedule.state_dict() for schedule in self.schedules],
            "rng": self.rng.bit_generator.state,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Restore what ``to_dict`` returned; its keys may have become strings."""
        self.student.load_state_dict(state["student"])
        for optimiser, entries in zip(self.optimisers, state["optimisers"], strict=True):
            restore_optimiser(optimiser, entries)
        for schedule, entries in zip(self.schedules, state["schedules"], strict=True):
            schedule.load_state_dict(entries)
        self.rng.bit_generator.state = state["rng"]


def cached_distil_features(
    setup: TrainingSetup, teacher: TeacherStates, on_epoch: OnEpoch = lambda number, loss: None
) -> dict[str, Tensor]:
    """Return the weights of ``distil_features`` from the cache, where later runs with the same settings find them.

    A run that was killed resumes there, too.

    Raises:
        TrainingError: if the loss is not a number.
        CacheError: if the weights fit neither into the cache nor into memory.
    """
    from safetensors.torch import load, save

    recipe, architecture = setup.recipe, dict(setup.config.encoder.architecture)
    inputs = [
        teacher.key,
        setup.data.digest,
        list(map(int, setup.train)),
        recipe.p_clean,
        recipe.seed,
        setup.groups.corpus.tolist(),
    ]
    settings = asdict(recipe.feature_distillation or FeatureDistillation())
    name = fingerprint([inputs, architecture, settings, torch.__version__], 32)
    path = cache_folder() / "distilled" / f"{name}.safetensors"
    if is_intact(path):
        return load(read_intact(path))
    checkpoint = Checkpoint(path.with_suffix(".checkpoint"), name)
    weights = distil_features(setup, teacher, on_epoch, checkpoint)
    with suppress(OSError):
        checkpoint.path.unlink()
    content = save(weights)
    try:
        with cache_writer(path, len(content)) as file:
            file.write(content)
    except CacheError as error:
        fall_back_to_memory(error, len(content))
    return weights


class _Student(nn.Module):
    """The mini encoder, with a linear prediction head for each of the teacher's states."""

    def __init__(self, config: EncoderConfig, teacher: TeacherStates, frame_pool: int) -> None:
        super().__init__()
        self.frame_pool = frame_pool
        n_layers = MiniEncoder(config).n_layers
        layers = np.linspace(n_layers, 0, teacher.n).round().astype(int)[::-1]
        self.encoder = MiniEncoder(EncoderConfig(config.kind, config.architecture, tuple(layers.tolist())))
        dim, teacher_dim = self.encoder.dim, teacher.states.shape[3]
        self.heads = nn.ModuleList(nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, teacher_dim)) for _ in layers)

    def forward(self, log_mel: Tensor) -> Tensor:
        """Predict the teacher's states ``(B, n, T, D)``."""
        states = self.encoder.hidden_states(log_mel)
        pooled = pool_frames(torch.stack(states, dim=1), self.frame_pool).unbind(1)
        return torch.stack([head(state) for head, state in zip(self.heads, pooled, strict=True)], dim=1)


class _Batch(NamedTuple):
    """A batch of crops."""

    log_mel: Tensor  # (B, n_mels, r · T), input of the student, r frames per averaged frame
    states: Tensor  # (B, n, T, D), the teacher's
    valid: Tensor  # (B, T), 1 for frames of the recording, 0 for padding


class _Targets(nn.Module):
    """Normalises the teacher's states: each dimension has zero mean and unit variance on the training frames."""

    def __init__(self, mean: Tensor, sd: Tensor, spread: Tensor) -> None:
        super().__init__()
        self.mean, self.sd = nn.Buffer(mean), nn.Buffer(sd)  # (n, D)
        self.spread = nn.Buffer(spread)  # (n, D): standard deviation of segments' mean frames, in units of sd

    @classmethod
    def of(cls, teacher: TeacherStates, data: SegmentSet, train: Sequence[int]) -> _Targets:
        """Compute the statistics of the training recordings, segment by segment."""
        rows = data.recorded_rows(train)
        n_frames = _n_frames(data, rows, teacher.states.shape[2])
        means, squares = [], []  # over a segment's frames, (n, D) each
        for row, n in zip(rows, n_frames, strict=True):
            frames = teacher.frames(np.array([row]))[0, :, :n].astype(np.float64)
            means.append(frames.mean(axis=1))
            squares.append((frames**2).mean(axis=1))
        mean = np.average(means, axis=0, weights=n_frames)
        sd = np.sqrt((np.average(squares, axis=0, weights=n_frames) - mean**2).clip(1e-10))
        spread = (np.std(means, axis=0) / sd).clip(1e-2)
        return cls(*(torch.tensor(each, dtype=torch.float32) for each in (mean, sd, spread)))

    def loss(self, predicted: Tensor, batch: _Batch, mean_weight: float) -> Tensor:
        """Compute the mean squared error of frames, plus that of the crops' mean frames in units of their spread."""
        error = predicted - (batch.states - self.mean[:, None]) / self.sd[:, None]  # (B, n, T, D)
        frames = (error.square().mean(dim=(1, 3)) * batch.valid).sum() / batch.valid.sum()
        weights = batch.valid / batch.valid.sum(dim=1, keepdim=True)
        mean_error = torch.einsum("bntd,bt->bnd", error, weights) / self.spread
        return frames + mean_weight * mean_error.square().mean()


class _Crops:
    """Random crops of the training segments: log-mel frames, kept in float16, and the teacher's states."""

    def __init__(
        self,
        student: _Student,
        teacher: TeacherStates,
        data: SegmentSet,
        train: Sequence[int],
        crop_s: float,
        device: torch.device,
    ) -> None:
        self.teacher, self.data, self.device = teacher, data, device
        self.rows = data.all_rows(train)
        waves = (torch.from_numpy(data.waves(rows)).to(device) for rows in data.batches(_BATCH, self.rows))
        self.log_mel = torch.cat([student.encoder.front_end(batch).half().cpu() for batch in waves])
        n_samples = data.samples.shape[1]
        self.rate = self.log_mel.shape[2] // student.encoder.count_frames(n_samples) * student.frame_pool
        self.n_frames = self.log_mel.shape[2] // self.rate  # whole frames of a segment, averaged
        self.n_crop = round(crop_s / SEGMENT_S * self.n_frames)

    def draw(self, rows: NDArray[np.int64], rng: np.random.Generator) -> _Batch:
        """Draw a crop of each segment, without padding if the segment is long enough."""
        n_frames = _n_frames(self.data, rows, self.n_frames)
        starts = rng.integers(0, np.maximum(n_frames - self.n_crop, 0) + 1)
        steps = starts[:, None] + np.arange(self.n_crop)  # (B, T)
        states = torch.from_numpy(self.teacher.frames(rows)).take_along_dim(
            torch.from_numpy(steps)[:, None, :, None], dim=2
        )
        mel_steps = self.rate * starts[:, None] + np.arange(self.rate * self.n_crop)
        log_mel = self.log_mel[np.searchsorted(self.rows, rows)].take_along_dim(
            torch.from_numpy(mel_steps)[:, None], dim=2
        )
        valid = torch.from_numpy(steps < n_frames[:, None])
        return _Batch(*(each.to(self.device).float() for each in (log_mel, states, valid)))


def _n_frames(data: SegmentSet, rows: NDArray[np.int64], n_states: int) -> NDArray[np.int64]:
    """Return the number of frames of each segment that begin in the recording."""
    fraction = data.n_samples[rows] / data.samples.shape[1]
    return np.asarray(np.ceil(fraction * n_states), np.int64)


def _optimisers(student: _Student, settings: FeatureDistillation) -> list[torch.optim.Optimizer]:
    """Return Muon (Jordan, 2024) for the encoder's matrices, and AdamW for its other weights and the heads."""
    matrices = [value for value in student.encoder.parameters() if value.ndim == 2]
    others = [*(value for value in student.encoder.parameters() if value.ndim != 2), *student.heads.parameters()]
    decay = settings.weight_decay
    groups = [
        {"params": [value for value in others if value.ndim > 1], "weight_decay": decay},
        {"params": [value for value in others if value.ndim < 2], "weight_decay": 0.0},
    ]
    return [
        Muon(matrices, settings.lr, decay),
        torch.optim.AdamW(groups, lr=_ADAMW_LR * settings.lr, betas=(0.9, 0.98)),
    ]
