from __future__ import annotations

import torch
from torch import nn

from pcqtool.model.encoders import Encoder, MiniEncoder
from pcqtool.model.registry import encoder_class
from pcqtool.networks.testing import ConformanceError, check_encoder
from tests.installed_plugins import install, tiny_ser  # noqa: F401


class Whole(Encoder):
    """Frames of 40 ms through a layer; subclasses get something wrong."""

    def __init__(self, config):
        super().__init__(config)
        self.dim, self.n_layers = 8, 1
        self.layer = nn.Linear(640, 8)

    def hidden_states(self, encoder_input):
        frames = self.layer(encoder_input.unflatten(1, (-1, 640)))
        return [frames for _ in self.layer_indices()]


class Sizeless(Whole):
    def __init__(self, config):
        super().__init__(config)
        del self.n_layers


class Turned(Whole):
    def hidden_states(self, encoder_input):
        return [each.transpose(1, 2) for each in super().hidden_states(encoder_input)]


class Uneven(Whole):
    def hidden_states(self, encoder_input):
        first, *others = super().hidden_states(encoder_input)
        return [first[:, ::2], *others]


class Single(Whole):
    def hidden_states(self, encoder_input):
        return super().hidden_states(encoder_input)[:1]


class Noisy(Whole):
    def hidden_states(self, encoder_input):
        return [each + torch.randn(()) for each in super().hidden_states(encoder_input)]


class Centred(Whole):
    def front_end(self, waves):
        return waves - 100 * waves.mean()


class Thawed(Whole):
    def freeze(self):
        return self


class Wide(Whole):
    @property
    def width(self):
        return 9


class Cut(Whole):
    def hidden_states(self, encoder_input):
        return [each.detach() for each in super().hidden_states(encoder_input)]


def problems_of(encoder, *arguments):
    try:
        check_encoder(encoder, *arguments)
    except ConformanceError as error:
        return str(error)
    return ""


def test_encoders_that_fulfil_the_contract(tiny_ser):  # noqa: F811
    assert problems_of(encoder_class("cuts"), {"dim": 6}) == ""
    assert problems_of(MiniEncoder, {"dim": 8, "n_blocks": 2}) == ""
    assert problems_of(Whole) == ""


def test_faults_are_named():
    said = {
        Sizeless: "n_layers must be set",
        Turned: "not (7, T, 8)",
        Uneven: "have 38 and 75 frames",
        Single: "a tensor for each of layer_indices()",
        Noisy: "differs when it is computed again",
        Centred: "depends on the other segments",
        Thawed: "a frozen encoder can be trained",
        Wide: "width is 9",
        Cut: "no weight gets a gradient",
    }
    for encoder, text in said.items():
        assert text in problems_of(encoder), encoder
    assert "not a class" in problems_of("mini")
    assert "does not derive from pcqtool.networks.Encoder" in problems_of(nn.Linear)
