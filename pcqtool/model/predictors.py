"""The choice of what computes a model: OpenVINO, which is fast on processors, or torch, which can do everything."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from pcqtool.arguments import n_jobs
from pcqtool.errors import SettingsError
from pcqtool.model.config import read_config
from pcqtool.model.encoder_search import EncoderSearchPath
from pcqtool.model.graph.runtime import fastest_format, is_installed
from pcqtool.model.graph_predictor import GraphPredictor, has_graph
from pcqtool.model.segment_predictor import SegmentPredictor

RUNTIMES = ("auto", "openvino", "torch")
"""What may compute a model, the default first."""

NUMBER_FORMATS = ("float32", "bfloat16")
"""The number formats in which a model may be computed, the exact one first."""

PRECISIONS = ("auto", *NUMBER_FORMATS)
"""What a user may ask for, the default first."""

_GPU_DRIVERS = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg", "/proc/driver/nvidia")

_log = logging.getLogger(__name__)


def load_predictors(
    directory: Path,
    device: str,
    encoders: EncoderSearchPath,
    n_samples: int,
    precision: str = PRECISIONS[0],
    runtime: str = RUNTIMES[0],
) -> list[SegmentPredictor]:
    """Load a model onto one device or several.

    Args:
        directory: the model directory.
        device: as for ``choose_devices``.
        encoders: where to look for an external encoder.
        n_samples: length of the segments.
        precision: ``auto`` is bfloat16 for OpenVINO where the processor is fastest in it, and float32 otherwise.
        runtime: ``auto`` is ``openvino`` on a processor, for a network like that of pcq-mini, and ``torch`` otherwise.

    Raises:
        ModelError: if the model or its encoder is missing or damaged.
        SettingsError: if this machine lacks a device, or OpenVINO cannot compute the model.
    """
    if runtime != "torch":
        config = read_config(directory)
        if has_graph(config, n_samples) and _is_processor(device) and is_installed():
            number_format = fastest_format() if precision == "auto" else precision
            _log.debug("runtime: OpenVINO, on the processor, in %s", number_format)
            return [GraphPredictor(directory, n_jobs(0), number_format, n_samples)]
        if runtime == "openvino":
            raise SettingsError(
                f"OpenVINO cannot compute model {config.name} with these settings",
                "It computes networks like that of pcq-mini, on the processor. Use --runtime torch."
                if is_installed()
                else "Install it with 'pip install openvino', or use --runtime torch.",
            )
    from pcqtool.model.device import choose_devices
    from pcqtool.model.predictor import Predictor

    devices = choose_devices(device)
    _log.debug("runtime: torch; device: %s", ", ".join(map(str, devices)))
    number_format = "float32" if precision == "auto" else precision
    return [Predictor(directory, each, encoders, number_format) for each in devices]


def _is_processor(device: str) -> bool:
    """Whether a device is the processor; ``auto`` is if no driver of a GPU is there, which torch would take."""
    if device != "auto":
        return device == "cpu"
    return sys.platform == "linux" and not any(Path(path).exists() for path in _GPU_DRIVERS)
