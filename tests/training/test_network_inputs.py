from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from pcqtool.model.pcq import PCQ
from pcqtool.model.profile import Profile, mean_and_sd
from pcqtool.training.network_config import configure, network_config
from pcqtool.training.network_inputs import PCQFrontEnds
from pcqtool.training.profiles import Assignment
from tests.toy_training import MINI


@pytest.mark.parametrize("kind", [None, "mini"])
def test_cached_inputs_are_the_models_own(experiment, toy_recipe, kind):
    model = PCQ(network_config(experiment.labels, toy_recipe(kind), None))
    rows = experiment.data.all_rows([1, 4, 5])[::-1].copy()
    kept = PCQFrontEnds(model, experiment.data, rows)
    seen, wanted = kept(rows), model.encode_inputs(torch.from_numpy(experiment.data.waves(rows)))
    torch.testing.assert_close(seen.features[0], wanted.features[0], atol=4e-3, rtol=1e-3)
    assert (len(seen.features) == 1) == (kind is None)
    if kind is not None:
        torch.testing.assert_close(seen.features[1], wanted.features[1], atol=4e-3, rtol=1e-3)
    assert len(experiment.data.spectrograms) == len(experiment.data.samples)


def test_nothing_is_cached_for_a_pretrained_encoder_that_is_trained(experiment, toy_recipe, tiny_whisper):
    config, encoder = configure(experiment.labels, toy_recipe(), str(tiny_whisper), None)
    model = PCQ(config)
    model.encoder = encoder
    data = replace(experiment.data, spectrograms=None)
    rows = data.rows(0)
    kept = PCQFrontEnds(model, data, rows)
    seen, wanted = kept(rows), model.encode_inputs(torch.from_numpy(data.waves(rows)))
    assert torch.equal(seen.features[1], wanted.features[1])
    assert torch.equal(seen.features[0], wanted.features[0])


@pytest.mark.parametrize("masked", [True, False])
def test_training_masks_padding_as_labelling_does(experiment, toy_recipe, masked):
    data = experiment.data
    model = PCQ(replace(network_config(experiment.labels, toy_recipe("mini"), None), mask_padding=masked))
    rows = data.all_rows([1, 4])
    waves, n_samples = torch.from_numpy(data.waves(rows)), torch.from_numpy(data.n_samples[rows])
    wanted = model.encode_inputs(waves, n_samples).valid_fraction
    found = PCQFrontEnds(model, data, rows)(rows).valid_fraction
    if not masked:
        assert wanted is found is None
        return
    assert wanted.min() < 1.0
    torch.testing.assert_close(found, wanted)


FROZEN = MINI | {"layers": [0, 1], "concat_layers": True, "frozen": True}


@pytest.fixture
def standardising(experiment, toy_recipe):
    """A network with profiles, of random weights, and the rows of six utterances in all versions."""
    torch.manual_seed(0)
    recipe = toy_recipe(FROZEN, network={"profile_s": 30.0, "frame_pool": 2, "mask_padding": True})
    return PCQ(network_config(experiment.labels, recipe, None)).eval(), experiment.data.all_rows(range(6))


def test_a_frozen_encoder_is_run_once(standardising, experiment, monkeypatch):
    model, rows = standardising
    front_ends = PCQFrontEnds(model, experiment.data, rows)
    wanted = model.encode_inputs(torch.from_numpy(experiment.data.waves(rows))).features[1]
    monkeypatch.setattr(model, "encoder_input", None)
    torch.testing.assert_close(front_ends(rows[::-1].copy()).features[1], wanted.flip(0), atol=4e-3, rtol=1e-3)


def test_moments_are_those_that_labelling_measures(standardising, experiment):
    model, rows = standardising
    data = experiment.data
    front_ends = PCQFrontEnds(model, data, rows)
    waves, n_samples = torch.from_numpy(data.waves(rows)), torch.from_numpy(data.n_samples[rows])
    with torch.inference_mode():
        wanted = model.moments(waves, n_samples)
    assert front_ends.moments.shape == (len(rows), 2, model.encoder.width + model.config.n_pooled_bins)
    torch.testing.assert_close(torch.from_numpy(front_ends.moments), wanted, atol=0.05, rtol=1e-2)


def test_the_profile_is_that_of_the_rows(standardising, experiment):
    model, rows = standardising
    data = experiment.data
    chosen = rows[[5, 2, 3]]
    front_ends = PCQFrontEnds(model, data, rows)
    moments = front_ends.moments[np.searchsorted(rows, chosen)].astype(np.float64)
    wanted = Profile.measured(moments, data.n_samples[chosen] / 16000)
    for found in (
        front_ends.profile(chosen),
        PCQFrontEnds(model, data, chosen).profile(chosen),
        PCQFrontEnds(model, replace(data, moments=_spread(front_ends.moments, rows, data)), chosen).profile(chosen),
    ):
        assert found.speech_s == wanted.speech_s
        np.testing.assert_allclose(found.mean, wanted.mean, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(found.square, wanted.square, rtol=1e-4, atol=1e-4)


def _spread(moments, rows, data):
    """Put the moments of some rows among those of all segments."""
    everywhere = np.full((len(data.samples), *moments.shape[1:]), np.nan, np.float32)
    everywhere[rows] = moments
    return everywhere


def test_inputs_are_standardised_by_the_profile_of_their_utterance(standardising, experiment):
    model, rows = standardising
    data, n_elements = experiment.data, model.standardisation.n_elements
    front_ends = PCQFrontEnds(model, data, rows)
    quiet, loud = front_ends.profile(data.rows(0)), front_ends.profile(data.rows(1))
    number = np.zeros(36, np.int64)
    number[1] = 1
    assignment = Assignment.of([quiet, loud], number, n_elements)
    both = np.concatenate([data.rows(0), data.rows(1)])
    inputs = front_ends(both, assignment)
    own = front_ends(both)
    assert own.statistics.mean.shape == (1, n_elements + model.config.n_pooled_bins)
    for row, profile in enumerate([quiet] * len(data.rows(0)) + [loud] * len(data.rows(1))):
        mean, sd = mean_and_sd(profile, n_elements)
        np.testing.assert_allclose(inputs.statistics.mean[row], mean, rtol=1e-5)
        np.testing.assert_allclose(inputs.statistics.sd[row], sd, rtol=1e-5)
        wanted = (own.features[0][row, 0].numpy() - mean[n_elements:]) / sd[n_elements:]  # the network's own is 0 and 1
        np.testing.assert_allclose(inputs.features[0][row, 0], wanted, rtol=1e-3, atol=1e-3)
