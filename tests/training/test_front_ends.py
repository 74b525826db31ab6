from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from pcqtool.model.encoders.pretrained import load_pretrained
from pcqtool.model.pcq import PCQ
from pcqtool.training.front_ends import FrontEnds, perceive
from pcqtool.training.network_config import network_config


@pytest.mark.parametrize("kind", [None, "mini"])
def test_what_is_kept_is_what_the_model_perceives(experiment, toy_recipe, kind):
    model = PCQ(network_config(experiment.labels, toy_recipe(kind), None))
    train = [1, 4, 5]
    kept = FrontEnds(model, experiment.data, train)
    rows = np.flatnonzero(np.isin(experiment.data.utterance, train))[::-1].copy()
    seen, wanted = kept(rows), model.encode_inputs(torch.from_numpy(experiment.data.waves(rows)))
    torch.testing.assert_close(seen.spectrogram, wanted.spectrogram, atol=4e-3, rtol=1e-3)
    assert (seen.encoder_input is None) == (kind is None)
    if kind is not None:
        torch.testing.assert_close(seen.encoder_input, wanted.encoder_input, atol=4e-3, rtol=1e-3)
        assert kept.heard.dtype == torch.float16
        assert len(kept.heard) == len(rows)
    assert len(experiment.data.spectra) == len(experiment.data.samples)


def test_nothing_is_kept_for_a_pretrained_encoder(experiment, toy_recipe, tiny_whisper):
    config = network_config(experiment.labels, toy_recipe(), str(tiny_whisper))
    model = PCQ(config)
    model.encoder = load_pretrained(str(tiny_whisper))
    data = replace(experiment.data, spectra=None)
    kept = FrontEnds(model, data, [0])
    assert kept.heard is None
    rows = data.rows(0)
    seen, wanted = kept(rows), model.encode_inputs(torch.from_numpy(data.waves(rows)))
    assert torch.equal(seen.encoder_input, wanted.encoder_input)
    assert torch.equal(seen.spectrogram, wanted.spectrogram)


@pytest.mark.parametrize("masked", [True, False])
def test_training_is_told_what_is_padding_as_labelling_is(experiment, toy_recipe, masked):
    data = experiment.data
    model = PCQ(replace(network_config(experiment.labels, toy_recipe("mini"), None), mask_padding=masked))
    rows = np.flatnonzero(np.isin(data.utterance, [1, 4]))
    waves, n_samples = torch.from_numpy(data.waves(rows)), torch.from_numpy(data.n_samples[rows])
    wanted = model.encode_inputs(waves, n_samples).valid_fraction
    kept, fresh = FrontEnds(model, data, [1, 4])(rows).valid_fraction, perceive(model, data, rows).valid_fraction
    if not masked:
        assert wanted is kept is fresh is None
        return
    assert wanted.min() < 1.0
    torch.testing.assert_close(kept, wanted)
    torch.testing.assert_close(fresh, wanted)
