"""Import torch, then torchaudio, compute a little, and tell what is found: a line of JSON for each step.

It is run as a script in a process of its own, because a mismatched binary can end the process. The steps that import
need nothing but the standard library and what they probe.
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
"""Small ones; as in those of base size, the convolution for positions has 48 channels in a group."""


def torch_facts() -> dict[str, Any]:
    """Version and build of torch."""
    import torch

    return {"version": torch.__version__, "cuda": torch.version.cuda, "hip": torch.version.hip}


def device_facts() -> dict[str, Any]:
    """What torch can compute on."""
    import torch

    with warnings.catch_warnings(record=True) as complaints:
        warnings.simplefilter("always")
        usable = torch.cuda.is_available()
    gpus = [torch.cuda.get_device_properties(index) for index in range(torch.cuda.device_count())] if usable else []
    can = dict(torch.cpu.get_capabilities()) if hasattr(torch.cpu, "get_capabilities") else {}
    return {
        "cuda": [{"name": gpu.name, "memory_gib": gpu.total_memory / 2**30} for gpu in gpus],
        "driver": os.path.exists("/dev/nvidiactl"),  # noqa: PTH110 (no further import than needed)
        "complaint": "; ".join(str(each.message) for each in complaints),
        "mps": torch.backends.mps.is_available(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "bf16": [name for name in ("avx512_bf16", "amx_bf16", "bf16", "sve_bf16") if can.get(name)],
    }


def torchaudio_facts() -> dict[str, Any]:
    """Version of torchaudio; its import loads binaries that must fit torch's."""
    import torchaudio

    return {"version": torchaudio.__version__}


def way_facts() -> dict[str, Any]:
    """The quicker ways that encoders cannot take here, small ones and the usual model's, since they would be wrong."""
    import torch

    sys.path.append(str(Path(__file__).parents[3]))  # where it is run from its source
    from pcqtool.errors import PcqtoolError
    from pcqtool.model.directory import find, load
    from pcqtool.model.encoders import Encoder, EncoderConfig, build

    def usual() -> Encoder | None:
        with suppress(PcqtoolError):  # other checks look for models and their encoders
            return load(find(os.environ.get("PCQTOOL_MODEL")))[0].encoder
        return None

    makes: dict[str, Callable[[], Encoder | None]] = {
        kind: partial(build, EncoderConfig(kind, sizes)) for kind, sizes in _ENCODERS.items()
    }
    left = []
    for name, make in (makes | {"the usual model": usual}).items():
        for precision in ("float32", "bfloat16"):
            torch.manual_seed(0)
            if (encoder := make()) is not None:
                left += [f"{way} of {name}" for way in encoder.eval().optimise_for_inference(getattr(torch, precision))]
    return {"left": list(dict.fromkeys(left))}


def reasons(error: BaseException | None) -> str:
    """An error and what caused it, in a line."""
    said = []
    while error is not None:
        said.append(f"{type(error).__name__}: {error}".strip())
        error = error.__cause__
    return " ← ".join(dict.fromkeys(said))


def main() -> None:
    """Take the steps in order; a failed one does not keep the next from being tried."""
    steps: dict[str, Callable[[], dict[str, Any]]] = {
        "torch": torch_facts,
        "devices": device_facts,
        "torchaudio": torchaudio_facts,
        "ways": way_facts,
    }
    for name, step in steps.items():
        try:
            facts = step()
        except BaseException as error:  # whatever it is, it is the finding
            facts = {"error": reasons(error)}
        print(json.dumps({"step": name, **facts}), flush=True)  # noqa: T201 (the parent process reads it)


if __name__ == "__main__":
    main()
