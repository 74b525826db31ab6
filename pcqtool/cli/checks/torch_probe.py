"""Probe of torch and torchaudio: imports them, computes a little, and prints a line of JSON for each step.

It runs as a script in its own process, because a mismatched binary can end the process. The import steps need only the
standard library and the probed packages.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

_SPEECHLIKE = {
    "hidden_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 192,
    "conv_dim": [64] * 7,
    "num_conv_pos_embedding_groups": 2,
}
_ENCODERS: dict[str, dict[str, Any]] = {
    "wavlm": _SPEECHLIKE,
    "hubert": _SPEECHLIKE,
    "whisper": {"d_model": 96, "encoder_layers": 2, "encoder_attention_heads": 4, "encoder_ffn_dim": 192},
}
"""Small encoders; as in base-size encoders, the positional convolution has 48 channels per group."""


def torch_facts() -> dict[str, Any]:
    """Return version and build of torch."""
    import torch

    return {"version": torch.__version__, "cuda": torch.version.cuda, "hip": torch.version.hip}


def device_facts() -> dict[str, Any]:
    """Return the devices that torch can use."""
    import torch

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        usable = torch.cuda.is_available()
    gpus = [torch.cuda.get_device_properties(index) for index in range(torch.cuda.device_count())] if usable else []
    capabilities = dict(torch.cpu.get_capabilities()) if hasattr(torch.cpu, "get_capabilities") else {}
    return {
        "cuda": [{"name": gpu.name, "memory_gib": gpu.total_memory / 2**30} for gpu in gpus],
        "driver": os.path.exists("/dev/nvidiactl"),  # noqa: PTH110 (no imports beyond the necessary)
        "complaint": "; ".join(str(each.message) for each in caught),
        "mps": torch.backends.mps.is_available(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "bf16": [name for name in ("avx512_bf16", "amx_bf16", "bf16", "sve_bf16") if capabilities.get(name)],
    }


def torchaudio_facts() -> dict[str, Any]:
    """Return the version of torchaudio, whose import loads binaries that must match torch's."""
    import torchaudio

    return {"version": torchaudio.__version__}


def optimisation_facts() -> dict[str, Any]:
    """Return the optimisations that this machine computes wrongly, in small encoders and in the default model's."""
    import torch

    sys.path.append(str(Path(__file__).parents[3]))  # for a checkout that is not installed
    from pcqtool.errors import PcqtoolError
    from pcqtool.model.directory import find, load
    from pcqtool.model.encoders import Encoder, EncoderConfig, build

    def usual_encoder() -> Encoder | None:
        with suppress(PcqtoolError):  # other checks report missing models and encoders
            return load(find(os.environ.get("PCQTOOL_MODEL")))[0].encoder
        return None

    builders: dict[str, Callable[[], Encoder | None]] = {
        kind: partial(build, EncoderConfig(kind, sizes)) for kind, sizes in _ENCODERS.items()
    }
    rejected = []
    for name, build_encoder in (builders | {"the default model": usual_encoder}).items():
        for precision in ("float32", "bfloat16"):
            torch.manual_seed(0)
            if (encoder := build_encoder()) is not None:
                rejected += [
                    f"{each} of {name}" for each in encoder.eval().optimise_for_inference(getattr(torch, precision))
                ]
    return {"rejected": list(dict.fromkeys(rejected))}


def runtime_facts() -> dict[str, Any]:
    """Return the largest difference of a probability between OpenVINO and torch, for the default model."""
    import numpy as np

    from pcqtool.model.directory import find
    from pcqtool.model.graph.runtime import fastest_format
    from pcqtool.model.graph_predictor import N_SAMPLES, GraphPredictor
    from pcqtool.model.predictor import Predictor

    rng, path = np.random.default_rng(0), find(None)
    waves = np.cumsum(rng.normal(0, 0.01, (8, N_SAMPLES)), axis=1) + rng.normal(0, 0.05, (8, N_SAMPLES))
    n_samples = np.linspace(N_SAMPLES // 8, N_SAMPLES, 8).astype(np.int64)
    waves[np.arange(N_SAMPLES) >= n_samples[:, None]] = 0.0
    predictors = GraphPredictor(path, 1, fastest_format()), Predictor(path, "cpu")
    one, other = (np.exp(each.log_probs(waves.astype(np.float32), n_samples)) for each in predictors)
    return {"difference": float(np.abs(one - other).max())}


def reasons(error: BaseException | None) -> str:
    """Return an error and its causes in one line."""
    texts = []
    while error is not None:
        texts.append(f"{type(error).__name__}: {error}".strip())
        error = error.__cause__
    return " ← ".join(dict.fromkeys(texts))


def main() -> None:
    """Run all steps in order, whether or not earlier steps fail."""
    steps: dict[str, Callable[[], dict[str, Any]]] = {
        "torch": torch_facts,
        "devices": device_facts,
        "torchaudio": torchaudio_facts,
        "optimisations": optimisation_facts,
        "runtime": runtime_facts,
    }
    for name, step in steps.items():
        try:
            facts = step()
        except BaseException as error:  # any error is a result of the probe
            facts = {"error": reasons(error)}
        print(json.dumps({"step": name, **facts}), flush=True)  # noqa: T201 (the parent process reads it)


if __name__ == "__main__":
    main()
