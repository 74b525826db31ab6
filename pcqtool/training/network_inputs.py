"""Inputs of the network for batches of segments: taken from the caches where possible, computed otherwise."""

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
    """The network's inputs in training.

    The mini encoder differs per fold; its inputs for the training segments are computed once and kept in float16.
    Everything else comes from the caches of the ``SegmentSet``, or is computed for each batch.
    """

    def __init__(self, model: PCQ, data: SegmentSet, train: Sequence[int]) -> None:
        self.model, self.data = model, data
        self.encoder_inputs: Tensor | None = None
        if model.config.encoder.kind == "mini":
            self.rows = data.all_rows(train)
            self.encoder_inputs = torch.cat([self._encode(rows) for rows in data.batches(_BATCH, self.rows)])

    def __call__(self, rows: NDArray[np.int64]) -> NetworkInputs:
        """Return the inputs of a batch."""
        if self.encoder_inputs is None:
            return network_inputs(self.model, self.data, rows)
        cached = self.encoder_inputs[torch.from_numpy(np.searchsorted(self.rows, rows))]
        return _inputs(self.model, self.data, rows, cached.float().to(_device(self.model)))

    def _encode(self, rows: NDArray[np.int64]) -> Tensor:
        with torch.no_grad():
            encoder_input = cast(Tensor, self.model.encoder_input(_waves(self.model, self.data, rows)))
        return encoder_input.half().cpu()


def network_inputs(model: PCQ, data: SegmentSet, rows: NDArray[np.int64]) -> NetworkInputs:
    """Return the network's inputs for segments, from the caches of the ``SegmentSet`` where possible."""
    if model.config.encoder.frozen and data.states is not None:
        return _inputs(model, data, rows, cached_states(data, rows, _device(model)))
    return _inputs(model, data, rows, model.encoder_input(_waves(model, data, rows)))


def cached_states(data: SegmentSet, rows: NDArray[np.int64], device: torch.device) -> Tensor:
    """Return cached hidden states ``(len(rows), n, T, D)`` in float32, with the speakers' offsets subtracted."""
    if data.states is None:
        raise ValueError("no hidden states are cached")
    states = torch.from_numpy(data.states[rows]).to(device).float()
    if data.speaker_offsets is None:
        return states
    return states - torch.from_numpy(data.speaker_offsets[data.utterance[rows]]).to(device)[:, :, None]


def log_spectrograms(model: PCQ, data: SegmentSet) -> NDArray[np.float16]:
    """Compute the spectrograms of all segments; they do not depend on any fold's statistics."""
    with torch.inference_mode():
        parts = [model.log_spectrogram(_waves(model, data, rows)).half().cpu() for rows in data.batches(_BATCH)]
    return np.concatenate([part.numpy() for part in parts])


def with_statistics(config: PCQConfig, data: SegmentSet, train: Sequence[int]) -> PCQConfig:
    """Return the configuration with mean and standard deviation of the training recordings' spectrograms."""
    spectrogram = Spectrogram(config.spectrogram)
    n, total, squares = 0, 0.0, 0.0
    for rows in data.batches(_BATCH, data.recorded_rows(train)):
        decibels = spectrogram(torch.from_numpy(data.waves(rows))).double()  # (B, T, F)
        n_frames = torch.from_numpy(data.n_samples[rows]) // config.spectrogram.hop
        valid = decibels[torch.arange(decibels.shape[1]) < n_frames[:, None]]
        n, total, squares = n + valid.numel(), total + valid.sum().item(), squares + valid.square().sum().item()
    mean = total / max(n, 1)
    return replace(config, mean_db=round(mean, 4), sd_db=round(math.sqrt(max(squares / max(n, 1) - mean**2, 1.0)), 4))


def _inputs(model: PCQ, data: SegmentSet, rows: NDArray[np.int64], encoder_input: Tensor | None) -> NetworkInputs:
    """Add the normalised spectrograms ``(len(rows), 1, H, W)`` and the valid fractions to the encoder's input."""
    if data.spectrograms is None:
        spectrogram = model.normalised_spectrogram(_waves(model, data, rows))
    else:
        spectrogram = model.normalise(torch.from_numpy(data.spectrograms[rows]).to(_device(model)).float())
    n_samples = torch.from_numpy(data.n_samples[rows]).to(_device(model))
    return NetworkInputs(spectrogram, encoder_input, model.valid_fraction(n_samples, data.samples.shape[1]))


def _waves(model: PCQ, data: SegmentSet, rows: NDArray[np.int64]) -> Tensor:
    return torch.from_numpy(data.waves(rows)).to(_device(model))


def _device(model: PCQ) -> torch.device:
    return next(model.parameters()).device
