from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from pcqtool.errors import ModelError, SettingsError
from pcqtool.features.network import FeatureNetwork, frames_of
from pcqtool.model.encoders import EncoderConfig, build
from pcqtool.model.encoders.pretrained import load_pretrained

WAVES = np.random.default_rng(0).normal(0, 0.1, (3, 48000)).astype(np.float32)
N_SAMPLES = np.array([48000, 30000, 100])


def test_the_shape_is_that_of_a_segment():
    network = FeatureNetwork(nn.Identity(), lambda waves, n: waves.reshape(len(waves), -1, 10), "cpu")
    assert network.shape == (4800, 10)
    assert network.compute(WAVES, N_SAMPLES).shape == (3, 4800, 10)


def test_what_is_not_finite_is_told():
    network = FeatureNetwork(nn.Identity(), lambda waves, n: waves, "cpu")
    with pytest.raises(ModelError, match="not finite"):
        network.compute(WAVES * np.nan, N_SAMPLES)


def test_a_device_that_is_not_there_is_told():
    with pytest.raises(SettingsError, match="abacus"):
        FeatureNetwork(nn.Identity(), lambda waves, n: waves, "abacus")


@pytest.mark.slow
@pytest.mark.parametrize("layer", [0, 1, 2, -1])
def test_any_layer_of_a_whole_encoder_is_what_transformers_gives(tiny_whisper, layer):
    encoder = load_pretrained(tiny_whisper, (layer,), frozen=True)
    found = FeatureNetwork(encoder, frames_of(encoder, None), "cpu").compute(WAVES, N_SAMPLES)
    whole = load_pretrained(tiny_whisper, (-1,))
    with torch.no_grad():
        states = whole.model(whole.front_end(torch.from_numpy(WAVES)), output_hidden_states=True).hidden_states
    np.testing.assert_allclose(found, states[layer].numpy(), atol=1e-5)
    assert found.shape == (3, 150, 16)


def test_a_layer_of_an_encoder_that_was_cut():
    encoder = build(EncoderConfig("mini", {"dim": 8, "n_blocks": 2, "n_mels": 16}))
    shapes = {layer: FeatureNetwork(encoder, frames_of(encoder, layer), "cpu").shape for layer in (0, 2, None)}
    assert len(set(shapes.values())) == 1
    with pytest.raises(ModelError, match="hidden states 0 to 2"):
        frames_of(encoder, 3)


def test_layers_above_those_in_use_are_not_there(tiny_whisper):
    encoder = load_pretrained(tiny_whisper, (0, 1), frozen=True)  # a mix, as a model may have it
    mixed = FeatureNetwork(encoder, frames_of(encoder, None), "cpu")
    single = FeatureNetwork(encoder, frames_of(encoder, 1), "cpu")
    assert mixed.shape == single.shape == (150, 16)
    with pytest.raises(ModelError, match="hidden state 2 is above"):
        FeatureNetwork(encoder, frames_of(encoder, 2), "cpu")
