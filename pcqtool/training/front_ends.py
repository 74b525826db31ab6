"""What the network begins with, for which nothing is learnt: computed once for all epochs where it is small."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pcqtool.audio.spectrogram import Spectrogram
from pcqtool.model.pcq import PCQ, Inputs, PCQConfig
from pcqtool.training.data import SegmentSet

_BATCH = 64


class FrontEnds:
    """What the front ends make of the training segments, computed once and kept in half precision.

    Of a pre-trained encoder that is tuned nothing is kept: it takes the waves themselves, or frames that are larger. A
    frozen one's hidden states come from the segments' set, where they are kept there.
    """

    def __init__(self, model: PCQ, data: SegmentSet, train: Sequence[int]) -> None:
        self.model, self.data = model, data
        self.device = next(model.parameters()).device
        self.parts: list[Tensor] = []
        if model.config.encoder.kind not in ("none", "mini") and not _has_states(model, data):
            return
        rows = np.flatnonzero(np.isin(data.utterance, train))
        self.place = np.zeros(len(data.utterance), np.int64)
        self.place[rows] = np.arange(len(rows))
        batches = [self._compute(rows[start : start + _BATCH]) for start in range(0, len(rows), _BATCH)]
        columns = [column for column in zip(*batches, strict=True) if column[0] is not None]
        self.parts = [torch.cat([part.half().cpu() for part in column]) for column in columns]

    def __call__(self, rows: NDArray[np.int64]) -> Inputs:
        """Give a batch's inputs."""
        if not self.parts:
            return perceive(self.model, self.data, rows)
        places = torch.from_numpy(self.place[rows])
        level, *heard = (part[places].float().to(self.device) for part in self.parts)
        if not heard and _has_states(self.model, self.data):
            heard = [recall(self.data, rows, self.device)]
        return Inputs(level, heard[0] if heard else None, _share(self.model, self.data, rows))

    def _compute(self, rows: NDArray[np.int64]) -> tuple[Tensor, Tensor | None]:
        """Compute what is kept: all, but for hidden states that are kept already."""
        waves = torch.from_numpy(self.data.waves(rows)).to(self.device)
        with torch.no_grad():
            heard = None if _has_states(self.model, self.data) else self.model.hear(waves)
            return self.model.level(waves), heard


def perceive(model: PCQ, data: SegmentSet, rows: NDArray[np.int64]) -> Inputs:
    """Give the inputs of segments, without running a frozen encoder whose hidden states are kept."""
    device = next(model.parameters()).device
    waves = torch.from_numpy(data.waves(rows)).to(device)
    if _has_states(model, data):
        return Inputs(model.level(waves), recall(data, rows, device), _share(model, data, rows))
    return model.perceive(waves, torch.from_numpy(data.n_samples[rows]).to(device))


def recall(data: SegmentSet, rows: NDArray[np.int64], device: torch.device) -> Tensor:
    """Give the kept hidden states of segments, ``(len(rows), n, T, D)`` in float32, less the offsets of speakers."""
    if data.states is None:
        raise ValueError("no hidden states are kept")
    states = torch.from_numpy(data.states[rows]).to(device).float()
    if data.offsets is None:
        return states
    return states - torch.from_numpy(data.offsets[data.utterance[rows]]).to(device)[:, :, None]


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


def _share(model: PCQ, data: SegmentSet, rows: NDArray[np.int64]) -> Tensor | None:
    n_samples = torch.from_numpy(data.n_samples[rows]).to(next(model.parameters()).device)
    return model.share(n_samples, data.samples.shape[1])


def _has_states(model: PCQ, data: SegmentSet) -> bool:
    return model.config.encoder.frozen and data.states is not None
