from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from pcqtool.model.encoders.pretrained import WHISPER_FRAMES, load_pretrained


def sliced(directory: Path) -> Any:
    """The encoder half of transformers, with an input of 3 s: settings and weights of the first 150 positions."""
    from transformers import WhisperConfig
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    weights = {
        name.removeprefix("encoder."): tensor.float()
        for name, tensor in load_file(directory / "model.safetensors").items()
        if not name.startswith("decoder.")
    }
    weights["embed_positions.weight"] = weights["embed_positions.weight"][:WHISPER_FRAMES]
    model = WhisperEncoder(WhisperConfig.from_pretrained(directory, max_source_positions=WHISPER_FRAMES))
    model.load_state_dict(weights)
    return model.eval()


@pytest.mark.parametrize("layer", [0, 1, 2, 3])
def test_layers_equal_those_of_transformers(hf_encoder: Callable[[str], Path], waves: Tensor, layer: int) -> None:
    directory = hf_encoder("whisper")
    encoder = load_pretrained(directory, (layer,))
    with torch.no_grad():
        mel = encoder.front_end(waves)
        frames = encoder(mel)
        states = sliced(directory)(mel, output_hidden_states=True).hidden_states
    assert frames.shape == (8, WHISPER_FRAMES, 32)
    torch.testing.assert_close(frames, states[layer], atol=1e-5, rtol=0)
    assert len(encoder.model.layers) == max(1, layer)


@pytest.mark.parametrize("whole", ["WhisperModel", "WhisperForConditionalGeneration", "WhisperForAudioClassification"])
def test_encoder_half_is_found_in_whole_checkpoints(
    tmp_path: Path, whole: str, hf_encoder: Callable[[str], Path]
) -> None:
    import transformers

    settings = transformers.WhisperConfig.from_pretrained(hf_encoder("whisper"))
    model = getattr(transformers, whole)(settings)
    model.save_pretrained(tmp_path)
    encoder = load_pretrained(tmp_path)
    theirs = model.encoder if hasattr(model, "encoder") else model.model.encoder
    assert torch.equal(encoder.model.layers[1].fc1.weight, theirs.layers[1].fc1.weight)
    assert torch.equal(encoder.model.conv2.weight, theirs.conv2.weight)


def test_positions_stay_fixed(hf_encoder: Callable[[str], Path]) -> None:
    positions = load_pretrained(hf_encoder("whisper")).model.embed_positions
    assert isinstance(positions, nn.Embedding)
    assert not positions.weight.requires_grad


@pytest.mark.parametrize(("name", "dim"), [("whisper-tiny.en", 384), ("whisper-base", 512)])
def test_real_encoders(shared_encoders: Path, waves: Tensor, name: str, dim: int) -> None:
    directory = shared_encoders / name
    if not directory.is_dir():
        pytest.skip(f"{name} is not here")
    encoder = load_pretrained(directory, (2,), frozen=True)
    with torch.no_grad():
        mel = encoder.front_end(waves[:2])
        frames = encoder(mel)
        states = sliced(directory)(mel, output_hidden_states=True).hidden_states
    assert frames.shape == (2, WHISPER_FRAMES, dim)
    torch.testing.assert_close(frames, states[2], atol=1e-3, rtol=1e-4)
