from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pcqtool.errors import ProfileError, SettingsError
from pcqtool.evaluation.corpus_profile import choose_profiles
from pcqtool.evaluation.model_on_corpus import evaluate_model
from pcqtool.model.predictor import Predictor
from pcqtool.model.profile import Profile
from pcqtool.model.profile_file import BatchProfile, write_profile
from pcqtool.training.segments import build_speech_segments


@pytest.fixture(scope="module")
def data(utterances):
    return build_speech_segments(utterances, 1)


@pytest.fixture(scope="module")
def model(profiled_model):
    return Predictor(profiled_model, "cpu")


def scores(evaluation):
    return np.array([evaluation.table[f"prob_{label}"].to_pylist() for label in ("anger", "neutral", "sadness")])


def test_what_inputs_were_standardised_by_is_stamped(profiled_model, pool_of, utterances):
    notes = {
        "auto": "Inputs were standardised by the unlabelled test recordings.",
        "by=speaker": "Inputs were standardised by the unlabelled test recordings, those of each speaker on their own.",
        "off": "Inputs were standardised by the training data.",
    }
    found = {}
    for choice, note in notes.items():
        evaluation = evaluate_model(str(profiled_model), pool_of("toy", utterances), "cpu", 1, profile=choice)
        assert evaluation.metrics["leakage"].endswith(note)
        assert not evaluation.metrics["leaks"]
        found[choice] = scores(evaluation)
    assert np.abs(found["auto"] - found["off"]).max() > 1e-3
    assert np.abs(found["auto"] - found["by=speaker"]).max() > 1e-4
    default = evaluate_model(str(profiled_model), pool_of("toy", utterances), "cpu", 1)
    np.testing.assert_array_equal(scores(default), found["auto"])


def test_labels_have_no_part_in_it(profiled_model, pool_of, utterances):
    turned = {"anger": "sadness", "sadness": "neutral", "neutral": "anger"}
    other = [replace(each, label=turned[each.label]) for each in utterances]
    one, two = (
        evaluate_model(str(profiled_model), pool_of("toy", each), "cpu", 1, profile="by=speaker")
        for each in (utterances, other)
    )
    np.testing.assert_allclose(scores(one), scores(two), atol=1e-6)


def test_the_profile_is_that_of_all_segments(model, utterances, data):
    chosen = choose_profiles("auto", model, utterances, data)
    (whole,) = chosen.profiles
    expected = Profile.measured(
        model.moments(data.waves(np.arange(len(data.samples))), data.n_samples), data.n_samples / 16000
    )
    assert whole.speech_s == pytest.approx(data.n_samples.sum() / 16000)
    np.testing.assert_allclose(whole.mean, expected.mean, rtol=1e-4, atol=1e-5)
    assert not chosen.groups.any()


def test_speakers_have_profiles_that_are_shrunk_towards_the_corpus(model, utterances, data):
    chosen = choose_profiles("by=speaker", model, utterances, data)
    whole, first, *others = chosen.profiles
    assert len(others) == 3
    rows = np.flatnonzero(chosen.groups == 1)
    assert {utterances[index].speaker for index in data.utterance[rows]} == {"s0"}
    alone = Profile.measured(model.moments(data.waves(rows), data.n_samples[rows]), data.n_samples[rows] / 16000)
    np.testing.assert_allclose(first.mean, alone.shrunk_towards(whole, model.profile_s).mean, rtol=1e-4, atol=1e-5)
    nameless = [replace(each, speaker=None) for each in utterances]
    with pytest.raises(SettingsError, match="does not name all speakers"):
        choose_profiles("by=speaker", model, nameless, data)


def test_a_profile_from_a_file(model, utterances, data, tmp_path):
    (whole,) = choose_profiles("auto", model, utterances, data).profiles
    profile = BatchProfile(whole, "profiled", model.sha256, 36)
    write_profile(tmp_path / "toy.profile", profile)
    chosen = choose_profiles(tmp_path / "toy.profile", model, utterances, data)
    assert chosen.note == f"Inputs were standardised by the profile {tmp_path / 'toy.profile'}."
    np.testing.assert_array_equal(chosen.profiles[0].mean, whole.mean)
    with pytest.raises(ProfileError, match="another model"):
        choose_profiles(replace(profile, model_sha256="ab" * 32), model, utterances, data)


def test_a_model_without_profiles_is_scored_as_before(tiny_model, pool_of, utterances, data):
    for choice in ("auto", "off"):
        metrics = evaluate_model(str(tiny_model), pool_of("toy", utterances), "cpu", 1, profile=choice).metrics
        assert "standardised" not in metrics["leakage"]
    for choice in ("by=speaker", "toy.profile"):
        with pytest.raises(SettingsError, match="uses no profile"):
            choose_profiles(choice, Predictor(tiny_model, "cpu"), utterances, data)


def test_other_groups_are_refused(model, utterances, data):
    with pytest.raises(SettingsError, match="grouped by speakers"):
        choose_profiles("by=(a)", model, utterances, data)
