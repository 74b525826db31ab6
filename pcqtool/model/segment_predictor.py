"""The interface of predictors: profiles, temperatures, calibrated log-probabilities of segments; no torch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pcqtool.errors import ModelError
from pcqtool.model.config import ModelConfig
from pcqtool.model.profile import Profile


class SegmentPredictor(ABC):
    """A loaded model that predicts the labels of segments.

    Args:
        config: the model's configuration.
        sha256: the model's hash.

    Attributes:
        config: the model's configuration.
        sha256: the model's hash.
    """

    def __init__(self, config: ModelConfig, sha256: str) -> None:
        self.config = config
        self.sha256 = sha256
        self._temperatures: NDArray[np.float64] | None = None  # of the profiles in use

    @property
    @abstractmethod
    def default_batch_size(self) -> int:
        """Segments per batch if the user sets none."""

    @property
    def profile_s(self) -> float:
        """Seconds of speech at which a profile and that of the training data count equally; 0: profiles are unused."""
        return float(self.config.network.get("profile_s", 0.0))

    def use_profiles(self, profiles: Sequence[Profile]) -> None:
        """Standardise the inputs by profiles from now on, each shrunk towards that of the training data."""
        self._standardise_by(profiles)
        self._temperatures = np.array([self.temperature(profile) for profile in profiles])

    def temperature(self, profile: Profile | None = None) -> float:
        """Return the divisor of the logits: between those with and without a profile, as a profile is shrunk."""
        plain = self.config.plain_temperature or self.config.temperature
        if profile is None or not self.profile_s:
            return plain
        share = profile.speech_s / (profile.speech_s + self.profile_s)
        return float(share * self.config.temperature + (1.0 - share) * plain)

    def moments(self, waves: NDArray[np.float32], n_samples: NDArray[np.int64]) -> NDArray[np.float64]:
        """Compute the features of segments for ``Profile.measured``: means and mean squares ``(B, 2, C)``.

        Args:
            waves: ``(B, N)``, padded with zeros at the end.
            n_samples: ``(B,)``, lengths before padding.

        Raises:
            ModelError: if a feature is not finite.
            MemoryError: if the device runs out of memory.
        """
        return self._checked(self._moments(waves, n_samples))

    def log_probs(
        self,
        waves: NDArray[np.float32],
        n_samples: NDArray[np.int64] | None = None,
        groups: NDArray[np.int64] | None = None,
    ) -> NDArray[np.float64]:
        """Compute log-probabilities ``(B, L)``, calibrated with the model's temperature.

        Args:
            waves: ``(B, N)``, padded with zeros at the end.
            n_samples: ``(B,)``, lengths before padding; ``None`` if nothing is padded.
            groups: ``(B,)``, number of each segment's profile among those in use; ``None`` for the first.

        Raises:
            ModelError: if the model's output is not finite.
            MemoryError: if the device runs out of memory.
        """
        rows = np.zeros(len(waves), np.int64) if groups is None else groups
        logits = self._checked(self._logits(waves, n_samples, rows))
        scaled = logits / (self.temperature() if self._temperatures is None else self._temperatures[rows, None])
        scaled -= scaled.max(axis=1, keepdims=True)
        log_probs: NDArray[np.float64] = scaled - np.log(np.exp(scaled).sum(axis=1, keepdims=True))
        return log_probs

    @abstractmethod
    def _standardise_by(self, profiles: Sequence[Profile]) -> None:
        """Take over profiles."""

    @abstractmethod
    def _logits(
        self, waves: NDArray[np.float32], n_samples: NDArray[np.int64] | None, rows: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Compute logits ``(B, L)``; each segment is standardised by the profile of its row."""

    @abstractmethod
    def _moments(self, waves: NDArray[np.float32], n_samples: NDArray[np.int64]) -> NDArray[np.float64]:
        """Compute ``moments`` without checking them."""

    def _checked(self, output: NDArray[np.float64]) -> NDArray[np.float64]:
        if not np.isfinite(output).all():
            raise ModelError(f"the output of model {self.config.name} is not finite", "The model is damaged.")
        return output
