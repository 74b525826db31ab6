"""Write the weights of voice activity detection, ``pcqtool/audio/silero/``, from the installed silero-vad.

    python docs/make_vad_weights.py

The discrete Fourier transform's matrix, which is part of the published weights, is left out.
"""

from __future__ import annotations

import shutil
from importlib.metadata import distribution

from pcqtool.audio.vad_network import WEIGHTS

NAMES = {
    **{f"_model.encoder.{number}.reparam_conv": f"conv{number + 1}" for number in range(4)},
    "_model.decoder.rnn": "lstm",
    "_model.decoder.decoder.2": "last",
}


def main() -> None:
    """Write the weights and their licence."""
    from safetensors.torch import save_file
    from silero_vad import load_silero_vad

    weights = {}
    for name, tensor in load_silero_vad().state_dict().items():
        layer, _, kind = name.rpartition(".")
        if layer in NAMES:
            short = f"{NAMES[layer]}.{kind}"
            weights[short] = tensor.flatten().clone() if short == "last.weight" else tensor.contiguous()
    published = distribution("silero-vad")
    WEIGHTS.parent.mkdir(exist_ok=True)
    save_file(weights, WEIGHTS, metadata={"source": f"silero-vad {published.version}"})
    (licence,) = (file for file in published.files or () if file.name == "LICENSE")
    shutil.copy(str(licence.locate()), WEIGHTS.with_name("LICENSE"))


if __name__ == "__main__":
    main()
