"""The choice of what computes a model: ONNX Runtime, which starts at once, or torch, which can do everything."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from pcqtool.arguments import n_jobs
from pcqtool.errors import SettingsError
from pcqtool.model.config import read_config
from pcqtool.model.encoder_search import EncoderSearchPath
from pcqtool.model.graph_predictor import GraphPredictor, has_graph
from pcqtool.model.segment_predictor import SegmentPredictor

RUNTIMES = ("auto", "onnx", "torch")
"""What may compute a model, the default first."""

_GPU_DRIVERS = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg", "/proc/driver/nvidia")

_log = logging.getLogger(__name__)


def load_predictors(
    directory: Path,
    device: str,
    encoders: EncoderSearchPath,
    n_samples: int,
    precision: str = "float32",
    runtime: str = RUNTIMES[0],
) -> list[SegmentPredictor]:
    """Load a model onto one device or several.

    Args:
        directory: the model directory.
        device: as for ``choose_devices``.
        encoders: where to look for an external encoder.
        n_samples: length of the segments.
        precision: as for ``Predictor``.
        runtime: ``auto`` is ``onnx`` on a processor, for a network whose graph is in the package, and ``torch``
            otherwise.

    Raises:
        ModelError: if the model or its encoder is missing or damaged.
        SettingsError: if this machine lacks a device, or ONNX Runtime cannot compute the model.
    """
    if runtime != "torch":
        config = read_config(directory)
        fits = precision == "float32" and has_graph(config, n_samples) and _is_processor(device)
        if fits:
            _log.debug("runtime: ONNX Runtime, on the processor")
            return [GraphPredictor(directory, n_jobs(0))]
        if runtime == "onnx":
            raise SettingsError(
                f"ONNX Runtime cannot compute model {config.name} with these settings",
                "It computes networks like that of pcq-mini, on the processor, in float32. Use --runtime torch.",
            )
    from pcqtool.model.device import choose_devices
    from pcqtool.model.predictor import Predictor

    devices = choose_devices(device)
    _log.debug("runtime: torch; device: %s", ", ".join(map(str, devices)))
    return [Predictor(directory, each, encoders, precision) for each in devices]


def _is_processor(device: str) -> bool:
    """Whether a device is the processor; ``auto`` is if no driver of a GPU is there, which torch would take."""
    if device != "auto":
        return device == "cpu"
    return sys.platform == "linux" and not any(Path(path).exists() for path in _GPU_DRIVERS)
