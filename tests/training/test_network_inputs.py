from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from pcqtool.model.pcq import PCQ
from pcqtool.training.network_config import configure, network_config
from pcqtool.training.network_inputs import FrontEnds, network_inputs


@pytest.mark.parametrize("kind", [None, "mini"])
def test_cached_inputs_are_the_models_own(experiment, toy_recipe, kind):
    model = PCQ(network_config(experiment.labels, toy_recipe(kind), None))
    train = [1, 4, 5]
    kept = FrontEnds(model, experiment.data, train)
    rows = np.flatnonzero(np.isin(experiment.data.utterance, train))[::-1].copy()
    seen, wanted = kept(rows), model.encode_inputs(torch.from_numpy(experiment.data.waves(rows)))
    torch.testing.assert_close(seen.spectrogram, wanted.spectrogram, atol=4e-3, rtol=1e-3)
    assert (seen.encoder_input is None) == (kind is None)
    if kind is not None:
        torch.testing.assert_close(seen.encoder_input, wanted.encoder_input, atol=4e-3, rtol=1e-3)
        assert kept.encoder_inputs.dtype == torch.float16
        assert len(kept.encoder_inputs) == len(rows)
    assert len(experiment.data.spectrograms) == len(experiment.data.samples)


def test_nothing_is_cached_for_a_pretrained_encoder_that_is_trained(experiment, toy_recipe, tiny_whisper):
    config, encoder = configure(experiment.labels, toy_recipe(), str(tiny_whisper), None)
    model = PCQ(config)
    model.encoder = encoder
    data = replace(experiment.data, spectrograms=None)
    kept = FrontEnds(model, data, [0])
    assert kept.encoder_inputs is None
    rows = data.rows(0)
    seen, wanted = kept(rows), model.encode_inputs(torch.from_numpy(data.waves(rows)))
    assert torch.equal(seen.encoder_input, wanted.encoder_input)
    assert torch.equal(seen.spectrogram, wanted.spectrogram)


@pytest.mark.parametrize("masked", [True, False])
def test_training_masks_padding_as_labelling_does(experiment, toy_recipe, masked):
    data = experiment.data
    model = PCQ(replace(network_config(experiment.labels, toy_recipe("mini"), None), mask_padding=masked))
    rows = np.flatnonzero(np.isin(data.utterance, [1, 4]))
    waves, n_samples = torch.from_numpy(data.waves(rows)), torch.from_numpy(data.n_samples[rows])
    wanted = model.encode_inputs(waves, n_samples).valid_fraction
    kept, fresh = FrontEnds(model, data, [1, 4])(rows).valid_fraction, network_inputs(model, data, rows).valid_fraction
    if not masked:
        assert wanted is kept is fresh is None
        return
    assert wanted.min() < 1.0
    torch.testing.assert_close(kept, wanted)
    torch.testing.assert_close(fresh, wanted)
