"""From segments to calibrated log-probabilities, on any device."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from pcqtool.errors import ModelError
from pcqtool.model.device import choose_device
from pcqtool.model.directory import EncoderSearchPath, load, sha256
from pcqtool.model.encoders import Encoder
from pcqtool.model.memory import memory_told

_log = logging.getLogger(__name__)


class Predictor:
    """A model ready to judge segments.

    Args:
        directory: the model's.
        device: as for ``choose_device``.
        encoders: where to look for an encoder that the model does not hold, as for ``load``.
        precision: what a pre-trained encoder computes in, ``float32`` or ``bfloat16``; all else is float32.

    Attributes:
        config: the model's ``ModelConfig``.
        sha256: the model's hash.
        device: where it runs.
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
        self.sha256 = sha256(directory)
        self.model.to(self.device)
        if self.model.encoder is not None:
            self._prepare(self.model.encoder, precision)

    def _prepare(self, encoder: Encoder, precision: str) -> None:
        if left := encoder.prepare(getattr(torch, precision)):
            _log.warning(
                "model %s does without %s, which this machine computes wrongly", self.config.name, " and ".join(left)
            )

    @torch.inference_mode()
    def log_probs(self, waves: NDArray[np.float32], n_samples: NDArray[np.int64] | None = None) -> NDArray[np.float64]:
        """Judge segments; give log-probabilities ``(B, L)`` after division by the temperature.

        Args:
            waves: ``(B, N)``, padded with zeros at the end.
            n_samples: ``(B,)``, samples before the padding; ``None`` if nothing is padding.

        Raises:
            ModelError: if the model's output is not finite.
            MemoryError: if there is not enough of it.
        """
        with memory_told():
            lengths = None if n_samples is None else torch.from_numpy(n_samples).to(self.device)
            logits = self.model(self._on_device(waves), lengths).logits.double().cpu()
        if not torch.isfinite(logits).all():
            raise ModelError(f"model {self.config.name} gave an output that is not finite", "The model is damaged.")
        scaled: NDArray[np.float64] = (logits / self.config.temperature).log_softmax(dim=1).numpy()
        return scaled

    def _on_device(self, waves: NDArray[np.float32]) -> torch.Tensor:
        """Copy to the device; to a GPU from pinned memory, so that the copy does not wait for the computation."""
        host = torch.from_numpy(waves)
        return (
            host.pin_memory().to(self.device, non_blocking=True) if self.device.type == "cuda" else host.to(self.device)
        )
