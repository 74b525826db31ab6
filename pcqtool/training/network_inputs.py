"""Inputs of the network for batches of segments: taken from the caches where possible, computed otherwise."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pcqtool.audio.segment import SAMPLE_RATE
from pcqtool.audio.spectrogram import Spectrogram
from pcqtool.model.network import AnyNetwork, NetworkInputs, TrainingBatch
from pcqtool.model.pcq import PCQ, PCQConfig
from pcqtool.model.profile import Profile
from pcqtool.model.standardisation import MeanAndSd
from pcqtool.training.data import SegmentSet, TrainingSetup
from pcqtool.training.profiles import Assignment

_BATCH = 64


class FrontEnds:
    """The network's inputs for the segments of some utterances.

    The outputs of the front end come from the ``SegmentSet``, or are computed for each batch.

    Args:
        model: the network; its front end must not change.
        data: the segments.
        rows: the segments whose inputs will be asked for.
    """

    def __init__(self, model: AnyNetwork, data: SegmentSet, rows: NDArray[np.int64]) -> None:
        self.model, self.data, self.rows = model, data, np.unique(rows)

    @classmethod
    def of(cls, model: AnyNetwork, data: SegmentSet, rows: NDArray[np.int64]) -> FrontEnds:
        """Return the inputs of a network, of the class that its kind needs."""
        return PCQFrontEnds(model, data, rows) if isinstance(model, PCQ) else FrontEnds(model, data, rows)

    def __call__(self, rows: NDArray[np.int64], assignment: Assignment | None = None) -> NetworkInputs:
        """Return the inputs of a batch, standardised by the profiles that its utterances are assigned to."""
        statistics = self._statistics(rows, assignment)
        features = self.model.standardise(self._features(rows), statistics)
        return NetworkInputs(features, self._valid_fraction(rows), statistics)

    def profile(self, rows: NDArray[np.int64]) -> Profile:
        """Return the profile of segments.

        Raises:
            TypeError: if the network uses no profiles.
        """
        raise TypeError(f"{type(self.model).__name__} uses no profiles")

    def _statistics(self, rows: NDArray[np.int64], assignment: Assignment | None) -> MeanAndSd | None:
        """Return what inputs are standardised by; ``None`` for a network without profiles."""
        return None

    def _features(self, rows: NDArray[np.int64]) -> tuple[Tensor, ...]:
        if self.data.features is None:
            with torch.no_grad():
                found = self.model.front_end(_waves(self.model, self.data, rows), self._n_samples(rows))
            return tuple(each.float() for each in found)
        return tuple(
            _waves(self.model, self.data, rows)
            if part is None
            else torch.from_numpy(part[rows]).to(self._device).float()
            for part in self.data.features
        )

    def _valid_fraction(self, rows: NDArray[np.int64]) -> Tensor | None:
        return self.model.valid_fraction(self._n_samples(rows), self.data.samples.shape[1])

    def _n_samples(self, rows: NDArray[np.int64]) -> Tensor:
        return torch.from_numpy(self.data.n_samples[rows]).to(self._device)

    @property
    def _device(self) -> torch.device:
        return _device(self.model)


class PCQFrontEnds(FrontEnds):
    """The inputs of PCQ, and the features that profiles are measured from.

    The mini encoder differs per fold; its output for these segments is computed once and kept in float16. Everything
    else comes from the caches of the ``SegmentSet``, or is computed for each batch.
    """

    model: PCQ

    def __init__(self, model: PCQ, data: SegmentSet, rows: NDArray[np.int64]) -> None:
        super().__init__(model, data, rows)
        self._states: Tensor | None = None
        frozen = model.config.encoder.frozen
        if frozen and data.states is None and model.config.encoder.kind == "mini":
            self._states = torch.cat([self._encode(batch).half().cpu() for batch in data.batches(_BATCH, self.rows)])

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

    def _statistics(self, rows: NDArray[np.int64], assignment: Assignment | None) -> MeanAndSd | None:
        if not self.model.config.profile_s:
            return None
        if assignment is None:
            return self.model.standardisation.statistics()
        return assignment.statistics(self.data.utterance[rows], self._device)

    def _features(self, rows: NDArray[np.int64]) -> tuple[Tensor, ...]:
        encoder_input = self._encoder_input(rows)
        return (self._log_spectrogram(rows), *(() if encoder_input is None else (encoder_input,)))

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

    def _position(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.searchsorted(self.rows, rows)


class TrainingBatches:
    """The training segments of a network, batch by batch, for ``Network.prepare``; may be iterated over repeatedly."""

    def __init__(self, front_ends: FrontEnds, setup: TrainingSetup) -> None:
        self.front_ends, self.setup = front_ends, setup

    def __iter__(self) -> Iterator[TrainingBatch]:
        data = self.setup.data
        recordings = data.utterance * (data.n_augmented + 1) + data.version
        for rows in data.batches(_BATCH, data.all_rows(self.setup.train)):
            inputs = self.front_ends(rows)
            fraction = torch.from_numpy(data.n_samples[rows] / data.samples.shape[1]).float()
            targets, numbers = (
                torch.from_numpy(each) for each in (self.setup.targets[data.utterance[rows]], recordings[rows])
            )
            device = inputs.features[0].device
            yield TrainingBatch(inputs.features, *(each.to(device) for each in (fraction, targets, numbers)))


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


def _waves(model: AnyNetwork, data: SegmentSet, rows: NDArray[np.int64]) -> Tensor:
    return torch.from_numpy(data.waves(rows)).to(_device(model))


def _device(model: AnyNetwork) -> torch.device:
    weights = itertools.chain(model.parameters(), model.buffers())
    return next((each.device for each in weights), torch.device("cpu"))
