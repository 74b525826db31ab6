"""From segments to features, on any device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pcqtool.audio.segment import SEGMENT_SAMPLES
from pcqtool.errors import ModelError
from pcqtool.model.device import choose_device, raising_memory_errors
from pcqtool.model.encoders import Encoder

Features = Callable[[Tensor, Tensor], Tensor]
"""Waves ``(B, N)`` and their numbers of samples ``(B,)`` → features ``(B, ...)``."""


class FeatureNetwork:
    """A network ready to give features of segments.

    Args:
        module: what is moved to the device.
        features: what it computes.
        device: as for ``choose_device``.

    Attributes:
        shape: of a segment's features: ``(T, D)``, steps in time by width, or ``(D,)``.
        device: where it runs.

    Raises:
        ModelError: if it gives no features of 3 s of silence.
        SettingsError: if this machine has no such device.
    """

    def __init__(self, module: nn.Module, features: Features, device: str | torch.device = "auto") -> None:
        self.device = choose_device(device)
        module.eval().to(self.device)
        self._features = features
        silence = np.zeros((1, SEGMENT_SAMPLES), np.float32)
        self.shape = self.compute(silence, np.array([SEGMENT_SAMPLES])).shape[1:]

    @torch.inference_mode()
    def compute(self, waves: NDArray[np.float32], n_samples: NDArray[np.int64]) -> NDArray[np.float32]:
        """Give the features of segments, ``(B, *shape)``.

        Args:
            waves: ``(B, N)``, padded with zeros at the end.
            n_samples: ``(B,)``, samples before the padding.

        Raises:
            ModelError: if a feature is not finite.
            MemoryError: if there is not enough of it.
        """
        with raising_memory_errors():
            values = self._features(
                torch.from_numpy(waves).to(self.device), torch.from_numpy(n_samples).to(self.device)
            )
        if not torch.isfinite(values).all():
            raise ModelError("a feature is not finite", "The model is damaged.")
        found: NDArray[np.float32] = values.float().cpu().numpy()
        return found


def frames_of(encoder: Encoder, layer: int | None) -> Features:
    """Give what computes an encoder's frames ``(B, T, D)``.

    Args:
        encoder: the encoder.
        layer: one of its hidden states; ``None`` for those that it is made to use.

    Raises:
        ModelError: if it has no such layer, or was cut off below it.
    """
    if layer is not None:
        encoder.config = replace(encoder.config, layers=(layer,))
        encoder.layer_indices()

    def frames(waves: Tensor, n_samples: Tensor) -> Tensor:
        try:
            found: Tensor = encoder(encoder.front_end(waves))
        except IndexError:
            raise ModelError(
                f"hidden state {layer} lies above those that the model uses, and the model holds no more",
                "Name a lower --layer, or the whole encoder with --encoder.",
            ) from None
        return found

    return frames
