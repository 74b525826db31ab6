from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import layer_norm

from pcqtool.errors import ModelError
from pcqtool.model.encoders import Encoder, EncoderConfig, build
from pcqtool.model.pcq import PCQ, PCQConfig

Config = Callable[..., EncoderConfig]
KINDS = ("mini", "wavlm", "whisper")


def built(config: EncoderConfig) -> Encoder:
    encoder = build(config)
    assert encoder is not None
    return encoder


def states(encoder: Encoder, waves: Tensor) -> list[Tensor]:
    with torch.no_grad():
        return encoder.hidden_states(encoder.front_end(waves))


def test_none_is_no_encoder() -> None:
    assert build(EncoderConfig()) is None


@pytest.mark.parametrize(
    "settings",
    [
        {"kind": "alexnet"},
        {"kind": "mini", "layers": ()},
        {"kind": "mini", "layers": ("last",)},
        {"kind": "mini", "layers": (1.0,)},
        {"kind": "mini", "architecture": [1]},
    ],
)
def test_impossible_configuration_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ModelError):
        EncoderConfig(**settings)


@pytest.mark.parametrize("kind", KINDS)
def test_layers_are_counted_from_either_end(encoder_config: Config, kind: str) -> None:
    top = built(encoder_config(kind)).n_layers
    encoder = built(encoder_config(kind, (0, -1, 1, -2, top, -top - 1)))
    assert encoder.layer_indices() == (0, top, 1, top - 1, top, 0)
    for layer in (top + 1, -top - 2):
        with pytest.raises(ModelError, match=f"hidden states 0 to {top}, not {layer}"):
            built(encoder_config(kind, (layer,)))


@pytest.mark.parametrize("kind", KINDS)
def test_a_single_layer_is_unchanged(encoder_config: Config, waves: Tensor, kind: str) -> None:
    encoder = built(encoder_config(kind, (1,))).eval()
    frames = encoder(encoder.front_end(waves))
    assert frames.shape[::2] == (len(waves), encoder.dim)
    torch.testing.assert_close(frames, states(encoder, waves)[0])


@pytest.mark.parametrize("kind", KINDS)
def test_mix_is_a_learned_mean_of_normalised_layers(encoder_config: Config, waves: Tensor, kind: str) -> None:
    encoder = built(encoder_config(kind, (0, 2, -1))).eval()
    encoder.mix.data = torch.tensor([0.0, 1.0, -1.0])
    frames = encoder(encoder.front_end(waves))
    weights = torch.tensor([0.0, 1.0, -1.0]).softmax(dim=0)
    expected = sum(w * layer_norm(x, (encoder.dim,)) for w, x in zip(weights, states(encoder, waves), strict=True))
    torch.testing.assert_close(frames, expected)
    frames[:, :, 0].sum().backward()
    assert encoder.mix.grad is not None
    assert (encoder.mix.grad != 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_frozen_encoder_learns_nothing_but_its_mix(encoder_config: Config, waves: Tensor, kind: str) -> None:
    encoder = built(encoder_config(kind, (1, 2), frozen=True))
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    assert not any(part.training for part in encoder.modules())
    encoder.train()
    assert not any(part.training for part in encoder.modules())
    encoder(encoder.front_end(waves)).square()[:, :, 0].sum().backward()
    assert [name for name, p in encoder.named_parameters() if p.requires_grad] == ["mix"]
    assert [name for name, p in encoder.named_parameters() if p.grad is not None] == ["mix"]
    assert encoder.mix.grad is not None
    assert encoder.mix.grad.abs().sum() > 0
    assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())


@pytest.mark.parametrize("kind", KINDS)
def test_encoder_that_is_not_frozen_trains(encoder_config: Config, kind: str) -> None:
    encoder = built(encoder_config(kind))
    assert all(part.training for part in encoder.train().modules())
    assert not any(part.training for part in encoder.eval().modules())


def test_concatenated_layers(waves: Tensor) -> None:
    """Joined frames are those of each layer, normalised; a single layer's are as they are."""
    joined = built(EncoderConfig("mini", layers=(0, 2), concat_layers=True)).eval()
    assert not hasattr(joined, "mix")
    assert joined.width == 2 * joined.dim
    with torch.no_grad():
        encoder_input = joined.front_end(waves)
        frames, states = joined(encoder_input), joined.hidden_states(encoder_input)
    for state, part in zip(states, frames.split(joined.dim, dim=2), strict=True):
        torch.testing.assert_close(part, layer_norm(state, (joined.dim,)))
    alone = built(EncoderConfig("mini", layers=(1,), concat_layers=True)).eval()
    assert alone.width == alone.dim
    with torch.no_grad():
        assert torch.equal(alone(encoder_input), alone.hidden_states(encoder_input)[0])


def test_pcq_accepts_concatenated_frames(waves: Tensor) -> None:
    encoder = EncoderConfig("mini", layers=(0, 2), concat_layers=True)
    mixed, joined = (
        PCQ(PCQConfig(("a", "b"), encoder=each)).eval() for each in (replace(encoder, concat_layers=False), encoder)
    )
    with torch.no_grad():
        assert joined(waves[:2]).logits.shape == (2, 2)
    assert joined.fusion_width == mixed.fusion_width + joined.encoder.dim
