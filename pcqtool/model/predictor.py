"""Prediction with torch, on any device."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from pcqtool.model.device import choose_device, default_batch_size, raising_memory_errors
from pcqtool.model.directory import EncoderSearchPath, load, model_sha256
from pcqtool.model.encoders import Encoder
from pcqtool.model.pcq import PCQ
from pcqtool.model.profile import Profile
from pcqtool.model.segment_predictor import SegmentPredictor
from pcqtool.model.standardisation import MeanAndSd

_log = logging.getLogger(__name__)


class Predictor(SegmentPredictor):
    """A model that torch computes.

    Args:
        directory: the model directory.
        device: as for ``choose_device``.
        encoders: where to look for an external encoder, as for ``load``.
        precision: ``float32`` or ``bfloat16`` for a pre-trained encoder; everything else is computed in float32.

    Attributes:
        device: the device in use.
        model: the network.

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
        self.model, config = load(directory, encoders)
        super().__init__(config, model_sha256(directory))
        self.model.to(self.device)
        self._statistics: MeanAndSd | None = None
        if self.profile_s:
            self._standardise_by([])  # else each batch would fetch them from the device, and wait for it
        if self.model.encoder is not None:
            self._optimise(self.model.encoder, precision)

    def _optimise(self, encoder: Encoder, precision: str) -> None:
        if rejected := encoder.optimise_for_inference(getattr(torch, precision)):
            names = " and ".join(rejected)
            _log.warning("model %s runs without %s: it fails or is wrong on this machine", self.config.name, names)

    @property
    def default_batch_size(self) -> int:
        """Segments per batch if the user sets none."""
        return default_batch_size(self.device)

    @property
    def profile_s(self) -> float:
        """Seconds of speech at which a profile and that of the training data count equally; 0: profiles are unused."""
        return self.model.config.profile_s

    @property
    def _pcq(self) -> PCQ:
        """The network, where ``profile_s`` is not 0."""
        return cast(PCQ, self.model)

    def _standardise_by(self, profiles: Sequence[Profile]) -> None:
        self._statistics = self._pcq.standardisation.statistics(profiles, self.profile_s)

    @torch.inference_mode()
    def _moments(self, waves: NDArray[np.float32], n_samples: NDArray[np.int64]) -> NDArray[np.float64]:
        with raising_memory_errors():
            lengths = self._to_device(n_samples)
            moments: NDArray[np.float64] = self._pcq.moments(self._to_device(waves), lengths).double().cpu().numpy()
        return moments

    @torch.inference_mode()
    def _logits(
        self, waves: NDArray[np.float32], n_samples: NDArray[np.int64] | None, rows: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        with raising_memory_errors():
            lengths = None if n_samples is None else self._to_device(n_samples)
            statistics = self._statistics
            if statistics is not None:
                statistics = statistics.of(self._to_device(rows))
            output = self.model(self._to_device(waves), lengths, statistics)
            logits: NDArray[np.float64] = output.logits.double().cpu().numpy()
        return logits

    def _to_device(self, values: NDArray[Any]) -> torch.Tensor:
        """Copy to the device; to a GPU from pinned memory, so that the copy does not wait for earlier computation."""
        host = torch.from_numpy(values)
        return (
            host.pin_memory().to(self.device, non_blocking=True) if self.device.type == "cuda" else host.to(self.device)
        )
