"""Inputs of the network for batches of segments: taken from the caches where possible, computed otherwise."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pcqtool.audio.segment import SAMPLE_RATE
from pcqtool.audio.spectrogram import Spectrogram
from pcqtool.model.pcq import PCQ, NetworkInputs, PCQConfig
from pcqtool.model.profile import Profile
from pcqtool.training.data import SegmentSet
from pcqtool.training.profiles import Assignment

_BATCH = 64


class FrontEnds:
    """The network's inputs for the segments of some utterances, and the features that profiles are measured from.

    The mini encoder differs per fold; its output for these segments is computed once and kept in float16. Everything
    else comes from the caches of the ``SegmentSet``, or is computed for each batch.

    Args:
        model: the network; its front ends must not change.
        data: the segments.
        rows: the segments whose inputs will be asked for.
    """

    def __init__(self, model: PCQ, data: SegmentSet, rows: NDArray[np.int64]) -> None:
        self.model, self.data, self.rows = model, data, np.unique(rows)
        self._states: Tensor | None = None
        frozen = model.config.encoder.frozen
        if frozen and data.states is None and model.config.encoder.kind == "mini":
            self._states = torch.cat([self._encode(batch).half().cpu() for batch in data.batches(_BATCH, self.rows)])

    def __call__(self, rows: NDArray[np.int64], assignment: Assignment | None = None) -> NetworkInputs:
        """Return the inputs of a batch, standardised by the profiles that its utterances are assigned to."""
        statistics = None
        if self.model.config.profile_s:
            statistics = self.model.standardisation.statistics()
            if assignment is not None:
                statistics = assignment.statistics(self.data.utterance[rows], self._device)
        spectrogram = self.model.normalise(self._log_spectrogram(rows), statistics)
        return NetworkInputs(spectrogram, self._encoder_input(rows), self._valid_fraction(rows), statistics)

    def profile(self, rows: NDArray[np.int64]) -> Profile:
        """Return the profile of segments."""
        moments = self.moments[self._position(rows)] if self.data.moments is None else self.data.moments[rows]
        return Profile.measured(moments.astype(np.float64), self.data.n_samples[rows] / SAMPLE_RATE)

    @cached_property
    def moments(self) -> NDArray[np.float32]:
        """Mean and mean square of each segment's features, ``(R, 2, C)`` in the order of ``rows``."""
        with torch.inference_mode():
            parts = [self._moments_of(batch).float().cpu().numpy() for batch in self.data.batches(_BATCH, self.rows)]
        return np.concatenate(parts)

    def _moments_of(self, rows: NDArray[np.int64]) -> Tensor:
        fraction = torch.from_numpy(self.data.n_samples[rows] / self.data.samples.shape[1]).to(self._device)
        return self.model.moments_of(self._encoder_input(rows), self._log_spectrogram(rows), fraction.float())

    def _encoder_input(self, rows: NDArray[np.int64]) -> Tensor | None:
        if self._states is not None:
            return self._states[torch.from_numpy(self._position(rows))].float().to(self._device)
        if self.model.config.encoder.frozen and self.data.states is not None:
            return torch.from_numpy(self.data.states[rows]).to(self._device).float()
        return self.model.encoder_input(_waves(self.model, self.data, rows))

    def _encode(self, rows: NDArray[np.int64]) -> Tensor:
        with torch.no_grad():
            return cast(Tensor, self.model.encoder_input(_waves(self.model, self.data, rows)))

    def _log_spectrogram(self, rows: NDArray[np.int64]) -> Tensor:
        if self.data.spectrograms is None:
            return self.model.log_spectrogram(_waves(self.model, self.data, rows))
        return torch.from_numpy(self.data.spectrograms[rows]).to(self._device).float()

    def _valid_fraction(self, rows: NDArray[np.int64]) -> Tensor | None:
        n_samples = torch.from_numpy(self.data.n_samples[rows]).to(self._device)
        return self.model.valid_fraction(n_samples, self.data.samples.shape[1])

    def _position(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.searchsorted(self.rows, rows)

    @property
    def _device(self) -> torch.device:
        return _device(self.model)


def log_spectrograms(model: PCQ, data: SegmentSet) -> NDArray[np.float16]:
    """Compute the spectrograms of all segments; they do not depend on any fold's statistics."""
    with torch.inference_mode():
        parts = [model.log_spectrogram(_waves(model, data, rows)).half().cpu() for rows in data.batches(_BATCH)]
    return np.concatenate([part.numpy() for part in parts])


def with_statistics(config: PCQConfig, data: SegmentSet, train: Sequence[int]) -> PCQConfig:
    """Return the configuration with mean and standard deviation of the training recordings' spectrograms."""
    if config.profile_s:  # the network has statistics of each bin instead
        return config
    spectrogram = Spectrogram(config.spectrogram)
    n, total, squares = 0, 0.0, 0.0
    for rows in data.batches(_BATCH, data.recorded_rows(train)):
        decibels = spectrogram(torch.from_numpy(data.waves(rows))).double()  # (B, T, F)
        n_frames = torch.from_numpy(data.n_samples[rows]) // config.spectrogram.hop
        valid = decibels[torch.arange(decibels.shape[1]) < n_frames[:, None]]
        n, total, squares = n + valid.numel(), total + valid.sum().item(), squares + valid.square().sum().item()
    mean = total / max(n, 1)
    return replace(config, mean_db=round(mean, 4), sd_db=round(math.sqrt(max(squares / max(n, 1) - mean**2, 1.0)), 4))


def _waves(model: PCQ, data: SegmentSet, rows: NDArray[np.int64]) -> Tensor:
    return torch.from_numpy(data.waves(rows)).to(_device(model))


def _device(model: PCQ) -> torch.device:
    return next(model.parameters()).device
