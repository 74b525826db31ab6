"""OpenVINO, without the part of it that converts other formats and reports on its use over the network."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from typing import Any

from pcqtool.lean_imports import without

HINTS = {"float32": "f32", "bfloat16": "bf16"}
"""Number formats, and OpenVINO's names for them."""


def is_installed() -> bool:
    """Return whether OpenVINO is there; few platforms lack it."""
    return find_spec("openvino") is not None


@cache
def core() -> Any:
    """Return OpenVINO's entry point."""
    with without("openvino.tools"):
        import openvino
    return openvino.Core()


def fastest_format() -> str:
    """Return the number format that this processor is fastest in: bfloat16 if it has instructions for it."""
    default = core().get_property("CPU", "INFERENCE_PRECISION_HINT").to_string()
    return next((name for name, each in HINTS.items() if each == default), "float32")


def compile_graph(graph: Any, n_threads: int, number_format: str, n_streams: int | None = None) -> Any:
    """Compile a graph for this processor, to be computed several times at once: by default once in each thread."""
    options = {
        "INFERENCE_PRECISION_HINT": HINTS[number_format],
        "INFERENCE_NUM_THREADS": n_threads,
        "NUM_STREAMS": n_streams or n_threads,
        "ENABLE_CPU_PINNING": False,  # decoders need the cores, too
    }
    return core().compile_model(graph, "CPU", options)
