"""Imitation: a small encoder learns to say, frame by frame, what a pre-trained one says (Chang et al., ICASSP 2022)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pcqtool.audio.segment import SEGMENT_S, SEGMENT_SAMPLES
from pcqtool.errors import CacheError, TrainingError
from pcqtool.model.encoders import EncoderConfig, MiniEncoder
from pcqtool.training.cache import cache_folder, caching, hold, is_whole, read_content
from pcqtool.training.data import SegmentSet, count_batches, draw_batches
from pcqtool.training.distillation.muon import Muon
from pcqtool.training.optimiser import lr_factor
from pcqtool.training.precision import is_fast_in_bfloat16
from pcqtool.training.recipe import FeatureDistillation, Recipe

_BATCH = 64
_WARMUP = 50  # steps
_CLIP = 1.0  # largest norm of the gradient
_REST = 0.05  # learning rate of AdamW, which moves all but the matrices, as a share of Muon's
_SHORTEST = 0.4 * SEGMENT_SAMPLES / SEGMENT_S  # samples of a segment that is learnt from


@dataclass(frozen=True)
class TeacherStates:
    """What is imitated, and the hash by which it is known.

    Attributes:
        states: ``(S, m, T, D)``, the teacher's hidden states of all segments at the rate of the student's frames.
        n: of the m, the first ones, which are imitated.
        key: hash of the teacher and the segments.
    """

    states: NDArray[np.float16]
    n: int
    key: str

    def frames(self, rows: NDArray[np.int64]) -> NDArray[np.float16]:
        """Give segments' states ``(len(rows), n, T, D)``."""
        return self.states[rows, : self.n]


class _Lesson(NamedTuple):
    """A batch: what the student hears, what the teacher says of it, which frames are recording and not padding.

    Shapes: ``(B, n_mels, r · T)``, ``(B, n, T, D)``, ``(B, T)``.
    """

    heard: Tensor
    said: Tensor
    inside: Tensor


class _Student(nn.Module):
    """The small encoder, and a linear layer on its state for each of the teacher's."""

    def __init__(self, config: EncoderConfig, model: TeacherStates) -> None:
        super().__init__()
        n_layers = MiniEncoder(config).n_layers
        places = np.linspace(n_layers, 0, model.n).round().astype(int)[::-1]
        self.encoder = MiniEncoder(EncoderConfig(config.kind, config.architecture, tuple(places.tolist())))
        dim, wanted = self.encoder.dim, model.states.shape[3]
        self.heads = nn.ModuleList(nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, wanted)) for _ in places)

    def forward(self, heard: Tensor) -> Tensor:
        """Predict the teacher's states ``(B, n, T, D)``."""
        states = self.encoder.hidden_states(heard)
        return torch.stack([head(state) for head, state in zip(self.heads, states, strict=True)], dim=1)


def imitate(
    config: EncoderConfig,
    model: TeacherStates,
    data: SegmentSet,
    train: Sequence[int],
    recipe: Recipe,
    device: torch.device,
    on_epoch: Callable[[int, float], None] = lambda number, loss: None,
) -> dict[str, Tensor]:
    """Train the small encoder on one view of every training utterance an epoch; nothing else is looked at.

    Args:
        config: the small encoder's.
        model: the teacher's hidden states.
        data: the segments.
        train: indices of the utterances to learn from.
        recipe: how, in its ``imitation``; its seed decides weights, order, views and pieces.
        device: where to compute.
        on_epoch: told each epoch's number, from 1, and mean loss.

    Returns:
        The encoder's weights, on the CPU.

    Raises:
        TrainingError: if the loss is no longer a number.
    """
    settings = recipe.feature_distillation or FeatureDistillation()
    torch.manual_seed(recipe.seed)
    rng = np.random.default_rng(recipe.seed)
    student = _Student(config, model).to(device).train()
    targets = _Targets.of(model, data, train).to(device)
    lessons = _Lessons(student.encoder, model, data, train, settings.crop_s, device)
    optimisers = _optimisers(student, settings)
    factor = lr_factor(_WARMUP, settings.epochs * count_batches(data, train, settings.batch_size))
    schedules = [torch.optim.lr_scheduler.LambdaLR(each, factor) for each in optimisers]
    half = is_fast_in_bfloat16(device)
    for number in range(1, settings.epochs + 1):
        losses = []
        for rows in draw_batches(data, train, recipe.p_clean, settings.batch_size, rng):
            rows = rows[data.n_samples[rows] >= _SHORTEST]
            if not len(rows):
                continue
            lesson = lessons.draw(rows, rng)
            with torch.autocast(device.type, torch.bfloat16, enabled=half):
                predicted = student(lesson.heard)
            loss = targets.loss(predicted.float(), lesson, settings.mean_weight)
            if not torch.isfinite(loss):
                raise TrainingError(f"imitation: the loss is not a number in epoch {number}", "Lower its lr.")
            student.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(student.parameters(), _CLIP)
            for optimiser, schedule in zip(optimisers, schedules, strict=True):
                optimiser.step()
                schedule.step()
            losses.append(loss.item())
        on_epoch(number, float(np.mean(losses)) if losses else 0.0)
    return {name: value.detach().cpu().clone() for name, value in student.encoder.state_dict().items() if name != "mix"}


def keep_imitated(
    config: EncoderConfig,
    model: TeacherStates,
    data: SegmentSet,
    train: Sequence[int],
    recipe: Recipe,
    device: torch.device,
    on_epoch: Callable[[int, float], None] = lambda number, loss: None,
) -> dict[str, Tensor]:
    """Do as ``imitate`` does, once: the weights are kept in the cache, for all that train on them later.

    Raises:
        TrainingError: as ``imitate`` does.
    """
    from safetensors.torch import load, save

    settings = asdict(recipe.feature_distillation or FeatureDistillation())
    heard = [model.key, data.digest, list(map(int, train)), recipe.p_clean, recipe.seed]
    decisive = [heard, dict(config.architecture), settings, torch.__version__]
    name = hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:32]
    path = cache_folder() / "imitated" / f"{name}.safetensors"
    if is_whole(path):
        return load(read_content(path))
    weights = imitate(config, model, data, train, recipe, device, on_epoch)
    content = save(weights)
    try:
        with caching(path, len(content)) as file:
            file.write(content)
    except CacheError as fault:
        hold(fault, len(content))
    return weights


class _Targets(nn.Module):
    """The teacher's states, each dimension of each of them with zero mean and unit variance on the training frames."""

    def __init__(self, mean: Tensor, sd: Tensor, spread: Tensor) -> None:
        super().__init__()
        self.mean, self.sd = nn.Buffer(mean), nn.Buffer(sd)  # (n, D)
        self.spread = nn.Buffer(spread)  # (n, D): standard deviation of segments' mean frames, in units of sd

    @classmethod
    def of(cls, model: TeacherStates, data: SegmentSet, train: Sequence[int]) -> _Targets:
        """Measure the training recordings' own frames, segment by segment."""
        rows = np.concatenate([data.rows(utterance) for utterance in train])
        n_frames = _n_frames(data, rows, model.states.shape[2])
        means, squares = [], []  # over a segment's frames, (n, D) each
        for row, n in zip(rows, n_frames, strict=True):
            frames = model.frames(np.array([row]))[0, :, :n].astype(np.float64)
            means.append(frames.mean(axis=1))
            squares.append((frames**2).mean(axis=1))
        mean = np.average(means, axis=0, weights=n_frames)
        sd = np.sqrt((np.average(squares, axis=0, weights=n_frames) - mean**2).clip(1e-10))
        spread = (np.std(means, axis=0) / sd).clip(1e-2)
        return cls(*(torch.tensor(each, dtype=torch.float32) for each in (mean, sd, spread)))

    def loss(self, predicted: Tensor, lesson: _Lesson, means: float) -> Tensor:
        """Mean squared error of frames and, each dimension in units of its spread, of the pieces' mean frames."""
        error = predicted - (lesson.said - self.mean[:, None]) / self.sd[:, None]
        frames = (error.square().mean(dim=(1, 3)) * lesson.inside).sum() / lesson.inside.sum()
        shares = lesson.inside / lesson.inside.sum(dim=1, keepdim=True)
        off = torch.einsum("bntd,bt->bnd", error, shares) / self.spread
        return frames + means * off.square().mean()


class _Lessons:
    """What is drawn from: log-mel frames of the training segments in half precision, and the teacher's states."""

    def __init__(
        self,
        encoder: MiniEncoder,
        model: TeacherStates,
        data: SegmentSet,
        train: Sequence[int],
        crop_s: float,
        device: torch.device,
    ) -> None:
        self.model, self.data, self.device = model, data, device
        rows = np.flatnonzero(np.isin(data.utterance, train))
        self.place = np.zeros(len(data.utterance), np.int64)
        self.place[rows] = np.arange(len(rows))
        batches = (rows[start : start + _BATCH] for start in range(0, len(rows), _BATCH))
        self.mel = torch.cat(
            [encoder.front_end(torch.from_numpy(data.waves(batch)).to(device)).half().cpu() for batch in batches]
        )
        self.n_frames = model.states.shape[2]  # of a segment
        self.rate = self.mel.shape[2] // self.n_frames  # log-mel frames for each of the student's
        self.crop = round(crop_s / SEGMENT_S * self.n_frames)

    def draw(self, rows: NDArray[np.int64], rng: np.random.Generator) -> _Lesson:
        """Draw a piece of each segment, within the recording where that is long enough."""
        n_frames = _n_frames(self.data, rows, self.n_frames)
        starts = rng.integers(0, np.maximum(n_frames - self.crop, 0) + 1)
        steps = starts[:, None] + np.arange(self.crop)  # (B, crop)
        said = torch.from_numpy(self.model.frames(rows)).take_along_dim(
            torch.from_numpy(steps)[:, None, :, None], dim=2
        )
        fine = self.rate * starts[:, None] + np.arange(self.rate * self.crop)
        heard = self.mel[self.place[rows]].take_along_dim(torch.from_numpy(fine)[:, None], dim=2)
        inside = torch.from_numpy(steps < n_frames[:, None])
        return _Lesson(*(each.to(self.device).float() for each in (heard, said, inside)))


def _n_frames(data: SegmentSet, rows: NDArray[np.int64], n_states: int) -> NDArray[np.int64]:
    """Count the frames of each segment that begin in the recording."""
    share = data.n_samples[rows] / data.samples.shape[1]
    return np.asarray(np.ceil(share * n_states), np.int64)


def _optimisers(student: _Student, settings: FeatureDistillation) -> list[torch.optim.Optimizer]:
    """Muon (Jordan, 2024) for the encoder's matrices, AdamW for its other weights and for what is thrown away."""
    matrices = [value for value in student.encoder.parameters() if value.ndim == 2]
    others = [*(value for value in student.encoder.parameters() if value.ndim != 2), *student.heads.parameters()]
    decay = settings.weight_decay
    groups = [
        {"params": [value for value in others if value.ndim > 1], "weight_decay": decay},
        {"params": [value for value in others if value.ndim < 2], "weight_decay": 0.0},
    ]
    return [
        Muon(matrices, settings.lr, decay),
        torch.optim.AdamW(groups, lr=_REST * settings.lr, betas=(0.9, 0.98)),
    ]
