"""What the network begins with, for which nothing is learnt: computed once where it is small."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pcqtool.audio.spectrogram import Spectrogram
from pcqtool.model.pcq import PCQ, NetworkInputs, PCQConfig
from pcqtool.training.data import SegmentSet

_BATCH = 64


class FrontEnds:
    """What the network begins with in training.

    Of a small encoder of our own, which differs from fold to fold, what it makes of the training segments is computed
    once and kept in half precision; all else comes from the segments' set, where it is kept there.
    """

    def __init__(self, model: PCQ, data: SegmentSet, train: Sequence[int]) -> None:
        self.model, self.data = model, data
        self.heard: Tensor | None = None
        if model.config.encoder.kind != "mini":
            return
        rows = np.flatnonzero(np.isin(data.utterance, train))
        self.place = np.zeros(len(data.utterance), np.int64)
        self.place[rows] = np.arange(len(rows))
        self.heard = torch.cat([self._hear(rows[start : start + _BATCH]) for start in range(0, len(rows), _BATCH)])

    def __call__(self, rows: NDArray[np.int64]) -> NetworkInputs:
        """Give a batch's inputs."""
        if self.heard is None:
            return perceive(self.model, self.data, rows)
        heard = self.heard[torch.from_numpy(self.place[rows])].float().to(_device(self.model))
        return NetworkInputs(_level(self.model, self.data, rows), heard, _share(self.model, self.data, rows))

    def _hear(self, rows: NDArray[np.int64]) -> Tensor:
        with torch.no_grad():
            heard = cast(Tensor, self.model.encoder_input(_waves(self.model, self.data, rows)))
        return heard.half().cpu()


def perceive(model: PCQ, data: SegmentSet, rows: NDArray[np.int64]) -> NetworkInputs:
    """Give the inputs of segments, without computing anew what is kept."""
    states_kept = model.config.encoder.frozen and data.states is not None
    heard = recall(data, rows, _device(model)) if states_kept else model.encoder_input(_waves(model, data, rows))
    return NetworkInputs(_level(model, data, rows), heard, _share(model, data, rows))


def keep_spectra(model: PCQ, data: SegmentSet) -> NDArray[np.float16]:
    """Give the spectrograms of all segments as ``PCQ.log_spectrogram`` does: no fold's statistics are in them."""
    parts = []
    for start in range(0, len(data.samples), _BATCH):
        rows = np.arange(start, min(start + _BATCH, len(data.samples)))
        with torch.inference_mode():
            parts.append(model.log_spectrogram(_waves(model, data, rows)).half().cpu().numpy())
    return np.concatenate(parts)


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


def _level(model: PCQ, data: SegmentSet, rows: NDArray[np.int64]) -> Tensor:
    """Give the normalised spectrograms of segments, ``(len(rows), 1, H, W)``."""
    if data.spectra is None:
        return model.normalised_spectrogram(_waves(model, data, rows))
    return model.normalise(torch.from_numpy(data.spectra[rows]).to(_device(model)).float())


def _share(model: PCQ, data: SegmentSet, rows: NDArray[np.int64]) -> Tensor | None:
    return model.valid_fraction(torch.from_numpy(data.n_samples[rows]).to(_device(model)), data.samples.shape[1])


def _waves(model: PCQ, data: SegmentSet, rows: NDArray[np.int64]) -> Tensor:
    return torch.from_numpy(data.waves(rows)).to(_device(model))


def _device(model: PCQ) -> torch.device:
    return next(model.parameters()).device
