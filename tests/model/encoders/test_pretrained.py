from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from pcqtool.errors import ModelError
from pcqtool.model.encoders import build
from pcqtool.model.encoders.pretrained import load_pretrained

HFEncoder = Callable[[str], Path]
NAMES = ("wavlm", "wavlm-large", "wav2vec2", "wav2vec2-large", "hubert", "hubert-large")


def own_states(directory: Path, waves: Tensor) -> tuple[Tensor, ...]:
    """The hidden states as transformers itself computes them, of waves as its extractor would prepare them."""
    from transformers import AutoModel, Wav2Vec2FeatureExtractor

    model = AutoModel.from_pretrained(directory).eval()
    large = model.config.feat_extract_norm == "layer"
    prepared = Wav2Vec2FeatureExtractor(do_normalize=large)(
        list(waves.numpy()), sampling_rate=16000, return_tensors="pt"
    ).input_values
    with torch.no_grad():
        states: tuple[Tensor, ...] = model(prepared, output_hidden_states=True).hidden_states
    return states


@pytest.mark.parametrize("name", NAMES)
def test_every_layer_equals_that_of_transformers(hf_encoder: HFEncoder, waves: Tensor, name: str) -> None:
    states = own_states(hf_encoder(name), waves)
    assert len(states) == 4
    for layer, state in enumerate(states):
        encoder = load_pretrained(hf_encoder(name), (layer,))
        with torch.no_grad():
            frames = encoder(encoder.front_end(waves))
        assert frames.shape == (8, 150, encoder.dim)
        torch.testing.assert_close(frames, state, atol=1e-4, rtol=1e-4)
        assert len(encoder.model.encoder.layers) == max(1, layer)


@pytest.mark.parametrize("name", ["wavlm", "wavlm-large"])
def test_a_mix_reads_the_same_layers(hf_encoder: HFEncoder, waves: Tensor, name: str) -> None:
    states = own_states(hf_encoder(name), waves)
    encoder = load_pretrained(hf_encoder(name), (-1, 0, 2))
    with torch.no_grad():
        read = encoder.hidden_states(encoder.front_end(waves))
    for mine, own in zip(read, (states[3], states[0], states[2]), strict=True):
        torch.testing.assert_close(mine, own, atol=1e-4, rtol=1e-4)


def test_the_input_normalisation_of_the_encoder_is_read(hf_encoder: HFEncoder, tmp_path: Path, waves: Tensor) -> None:
    from transformers import Wav2Vec2FeatureExtractor

    directory = shutil.copytree(hf_encoder("wavlm"), tmp_path / "wants")
    extractor = Wav2Vec2FeatureExtractor(do_normalize=True)
    extractor.save_pretrained(directory)
    theirs = extractor(list(waves.numpy()), sampling_rate=16000, return_tensors="np").input_values
    mine = load_pretrained(directory).front_end(waves).numpy()
    np.testing.assert_allclose(mine, theirs, atol=1e-4, rtol=1e-4)
    Wav2Vec2FeatureExtractor(do_normalize=False).save_pretrained(directory)
    assert torch.equal(load_pretrained(directory).front_end(waves), waves)


@pytest.mark.parametrize("name", [*NAMES, "whisper"])
def test_an_encoder_is_rebuilt_from_its_configuration_alone(hf_encoder: HFEncoder, waves: Tensor, name: str) -> None:
    encoder = load_pretrained(hf_encoder(name), (1, 2))
    assert json.loads(json.dumps(dict(encoder.config.architecture)))
    again = build(encoder.config)
    assert again is not None
    again.load_state_dict(encoder.state_dict())
    with torch.no_grad():
        assert torch.equal(again.eval()(again.front_end(waves)), encoder(encoder.front_end(waves)))


@pytest.mark.parametrize("name", ["wavlm", "wavlm-large", "wav2vec2", "wav2vec2-large", "hubert", "whisper"])
def test_training_it_masks_no_frames_and_drops_no_layers(
    hf_encoder: HFEncoder, tmp_path: Path, waves: Tensor, name: str
) -> None:
    directory = shutil.copytree(hf_encoder(name), tmp_path / name)
    settings = json.loads((directory / "config.json").read_text())
    settings |= {key: 0.0 for key in settings if key.endswith("dropout")}
    settings |= {key: 0.9 for key in settings if key.endswith("layerdrop")}
    settings |= {"apply_spec_augment": True, "mask_time_prob": 0.5}
    (directory / "config.json").write_text(json.dumps(settings))
    encoder = load_pretrained(directory, (1, 2, 3))
    with torch.no_grad():
        encoder_input = encoder.front_end(waves)
        torch.testing.assert_close(encoder.train()(encoder_input), encoder.eval()(encoder_input), atol=1e-5, rtol=1e-4)


def test_a_loaded_encoder_is_in_evaluation_mode_and_frozen_on_request(hf_encoder: HFEncoder) -> None:
    tuned, frozen = load_pretrained(hf_encoder("wavlm")), load_pretrained(hf_encoder("wavlm"), frozen=True)
    assert not any(part.training for encoder in (tuned, frozen) for part in encoder.modules())
    assert all(p.requires_grad for p in tuned.parameters())
    assert not any(p.requires_grad for p in frozen.parameters())


def test_a_missing_layer_is_refused(hf_encoder: HFEncoder) -> None:
    with pytest.raises(ModelError, match="hidden states 0 to 3, not 4"):
        load_pretrained(hf_encoder("wavlm"), (4,))
