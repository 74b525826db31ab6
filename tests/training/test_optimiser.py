from __future__ import annotations

import numpy as np
import pytest

from pcqtool.model.pcq import PCQ
from pcqtool.training.network_config import load_encoder, network_config
from pcqtool.training.optimiser import lr_factor, make_optimiser


@pytest.fixture
def optimise(experiment, toy_recipe):
    """Give a model and its optimiser."""

    def make(source=None, encoder=None, **changes):
        recipe = toy_recipe(encoder, **changes)
        pretrained = None if source is None else load_encoder(recipe, source)
        model = PCQ(network_config(experiment.labels, recipe, pretrained))
        if pretrained is not None:
            model.encoder = pretrained
        return model, make_optimiser(model, recipe)

    return make


def rates(model, optimiser):
    """The learning rate of each parameter by its name."""
    by_id = {id(value): group["lr"] for group in optimiser.param_groups for value in group["params"]}
    return {name: by_id[id(value)] for name, value in model.named_parameters() if value.requires_grad}


def test_the_learning_rate_rises_and_falls():
    factor = lr_factor(4, 100)
    values = [factor(step) for step in range(200)]
    assert values[0] == pytest.approx(0.25, abs=0.01)
    assert max(values) <= 1.0
    assert 2 <= int(np.argmax(values)) <= 4
    assert values[50] == pytest.approx(0.5)
    assert values[-1] == 1e-3
    constant = lr_factor(4, 100, "constant")
    assert [constant(step) for step in (0, 1, 3, 199)] == [0.25, 0.5, 1.0, 1.0]


def test_biases_and_scales_do_not_decay(optimise):
    model, optimiser = optimise()
    assert {(group["lr"], group["weight_decay"]) for group in optimiser.param_groups} == {(1e-2, 0.05), (1e-2, 0.0)}
    for group in optimiser.param_groups:
        assert all((value.ndim > 1) == (group["weight_decay"] > 0) for value in group["params"])
    assert sum(len(group["params"]) for group in optimiser.param_groups) == len(list(model.parameters()))


def test_lower_layers_of_an_encoder_learn_more_slowly(optimise, tiny_whisper):
    model, optimiser = optimise(str(tiny_whisper), encoder_lr=1e-4, layer_decay=0.5)
    found = rates(model, optimiser)
    assert found["encoder.model.layers.1.fc1.weight"] == 1e-4
    assert found["encoder.model.layers.0.fc1.weight"] == 0.5e-4
    assert found["encoder.model.conv1.weight"] == 0.25e-4
    assert found["classifier.1.weight"] == 1e-2
    model, optimiser = optimise(str(tiny_whisper), encoder_lr=1e-4)
    assert {rate for name, rate in rates(model, optimiser).items() if name.startswith("encoder.model.")} == {1e-4}


def test_an_encoder_of_our_own_learns_as_fast_as_the_rest(optimise):
    assert set(rates(*optimise(encoder="mini", layer_decay=0.5)).values()) == {1e-2}
