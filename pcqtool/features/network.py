"""Networks that compute the features of segments, on any device."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pcqtool.audio.segment import SEGMENT_SAMPLES
from pcqtool.errors import ModelError
from pcqtool.model.device import choose_device, raising_memory_errors
from pcqtool.model.encoders import Encoder

Features = Callable[[Tensor, Tensor], Tensor]
"""A function of waves ``(B, N)`` and their numbers of samples ``(B,)`` that returns features ``(B, ...)``."""


class FeatureNetwork:
    """A network that computes features.

    Args:
        module: the module that is moved to the device.
        features: the function that computes features with it.
        device: as for ``choose_device``.

    Attributes:
        shape: of a segment's features: ``(T, D)``, steps in time by width, or ``(D,)``.
        device: the network's device.

    Raises:
        ModelError: if it fails to compute features of 3 s of silence.
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
        """Compute the features ``(B, *shape)`` of segments.

        Args:
            waves: ``(B, N)``, padded with zeros at the end.
            n_samples: ``(B,)``, samples before the padding.

        Raises:
            ModelError: if a feature is not finite.
            MemoryError: if the device does not have enough memory.
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
    """Return the function that computes an encoder's frames ``(B, T, D)``.

    Args:
        encoder: the encoder.
        layer: the hidden state to output; ``None`` for those of its configuration.

    Raises:
        ModelError: if the encoder has no such layer, or was cut off below it.
    """
    if layer is not None:
        encoder.use_layer(layer)

    def frames(waves: Tensor, n_samples: Tensor) -> Tensor:
        try:
            found: Tensor = encoder(encoder.front_end(waves))
        except IndexError:
            raise ModelError(
                f"hidden state {layer} is above the layers that the model uses and contains",
                "Use a lower --layer, or the whole encoder with --encoder.",
            ) from None
        return found

    return frames
