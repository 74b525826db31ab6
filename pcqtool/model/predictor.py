"""Prediction of calibrated log-probabilities for batches of segments, on any device."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from pcqtool.errors import ModelError
from pcqtool.model.device import choose_device, raising_memory_errors
from pcqtool.model.directory import EncoderSearchPath, load, model_sha256
from pcqtool.model.encoders import Encoder
from pcqtool.model.profile import Profile
from pcqtool.model.standardisation import MeanAndSd

_log = logging.getLogger(__name__)


class Predictor:
    """A loaded model that predicts the labels of segments.

    Args:
        directory: the model directory.
        device: as for ``choose_device``.
        encoders: where to look for an external encoder, as for ``load``.
        precision: ``float32`` or ``bfloat16`` for a pre-trained encoder; everything else is computed in float32.

    Attributes:
        config: the model's ``ModelConfig``.
        sha256: the model's hash.
        device: the device in use.

    Examples:
        >>> import numpy as np
        >>> from pcqtool.model.directory import find
        >>> predictor = Predictor(find("pcq-mini"), device="cpu")
        >>> predictor.log_probs(np.zeros((2, 48000), np.float32)).shape
        (2, 8)
    """

    def __init__(
        self,
        directory: Path,
        device: str | torch.device = "auto",
        encoders: EncoderSearchPath | None = None,
        precision: str = "float32",
    ) -> None:
        self.device = choose_device(device)
        self.model, self.config = load(directory, encoders)
        self.sha256 = model_sha256(directory)
        self.model.to(self.device)
        self._statistics: MeanAndSd | None = None
        if self.model.encoder is not None:
            self._optimise(self.model.encoder, precision)

    def _optimise(self, encoder: Encoder, precision: str) -> None:
        if rejected := encoder.optimise_for_inference(getattr(torch, precision)):
            names = " and ".join(rejected)
            _log.warning("model %s runs without %s, which this machine computes wrongly", self.config.name, names)

    @property
    def profile_s(self) -> float:
        """Seconds of speech at which a profile and that of the training data count equally; 0: profiles are unused."""
        return self.model.config.profile_s

    def use_profiles(self, profiles: Sequence[Profile]) -> None:
        """Standardise the inputs by profiles from now on, each shrunk towards that of the training data."""
        self._statistics = self.model.standardisation.statistics(profiles, self.profile_s)
        self._temperatures = np.array([self.temperature(profile) for profile in profiles])

    def temperature(self, profile: Profile | None = None) -> float:
        """Return the divisor of the logits: between those with and without a profile, as a profile is shrunk."""
        plain = self.config.plain_temperature or self.config.temperature
        if profile is None or not self.profile_s:
            return plain
        share = profile.speech_s / (profile.speech_s + self.profile_s)
        return float(share * self.config.temperature + (1.0 - share) * plain)

    @torch.inference_mode()
    def moments(self, waves: NDArray[np.float32], n_samples: NDArray[np.int64]) -> NDArray[np.float64]:
        """Compute the features of segments for ``Profile.measured``: means and mean squares ``(B, 2, C)``.

        Args:
            waves: ``(B, N)``, padded with zeros at the end.
            n_samples: ``(B,)``, lengths before padding.

        Raises:
            ModelError: if a feature is not finite.
            MemoryError: if the device runs out of memory.
        """
        with raising_memory_errors():
            lengths = torch.from_numpy(n_samples).to(self.device)
            moments = self.model.moments(self._to_device(waves), lengths).double().cpu()
        return self._checked(moments).numpy()

    @torch.inference_mode()
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
        with raising_memory_errors():
            lengths = None if n_samples is None else torch.from_numpy(n_samples).to(self.device)
            statistics, temperatures = self._statistics, np.array(self.temperature())
            if statistics is not None:
                rows = np.zeros(len(waves), np.int64) if groups is None else groups
                temperatures = self._temperatures[rows, None]
                statistics = statistics.of(torch.from_numpy(rows).to(self.device))
            logits = self._checked(self.model(self._to_device(waves), lengths, statistics).logits.double().cpu())
        log_probs: NDArray[np.float64] = (logits / torch.from_numpy(temperatures)).log_softmax(dim=1).numpy()
        return log_probs

    def _checked(self, output: torch.Tensor) -> torch.Tensor:
        if not torch.isfinite(output).all():
            raise ModelError(f"the output of model {self.config.name} is not finite", "The model is damaged.")
        return output

    def _to_device(self, waves: NDArray[np.float32]) -> torch.Tensor:
        """Copy to the device; to a GPU from pinned memory, so that copy and computation overlap."""
        host = torch.from_numpy(waves)
        return (
            host.pin_memory().to(self.device, non_blocking=True) if self.device.type == "cuda" else host.to(self.device)
        )
