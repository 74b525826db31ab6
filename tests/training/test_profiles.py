"""Profiles in training: assignment by corpus and speaker, and the simulation of batches."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from pcqtool.model.profile import Profile, mean_and_sd
from pcqtool.model.standardisation import Standardisation
from pcqtool.training.data import Groups, SegmentSet
from pcqtool.training.profiles import Assignment, Simulator, assign_profiles, profile_corpora
from pcqtool.training.recipe import ProfileSimulation

# 24 utterances: two corpora of 4 and 2 speakers with 4 utterances each, of two classes
CORPUS = np.repeat([0, 1], [16, 8])
SPEAKER = np.repeat(np.arange(6), 4)
GROUPS = Groups(CORPUS, SPEAKER, np.arange(24) % 2)
CONSTANT_S = 60.0


def profile_of(value, speech_s=30.0):
    """Return a profile of 3 elements and 2 bins whose mean is a number."""
    mean = np.full(5, float(value))
    return Profile(speech_s, mean, mean**2 + 1.0, mean**2 + 4.0)


@dataclass(frozen=True)
class NumberedFrontEnds:
    """Measures as the mean of segments the mean number of their utterances; an utterance has 3 s."""

    model: object
    data: SegmentSet

    def profile(self, rows):
        utterances = self.data.utterance[rows]
        return profile_of(utterances.mean(), 3.0 * len(rows))


@pytest.fixture
def front_ends():
    data = SegmentSet(np.zeros((24, 1), np.int16), np.full(24, 48000), np.arange(24), np.zeros(24, np.int64))
    module = Standardisation(n_elements=3, n_bins=2)
    module.keep_profile(profile_of(-10.0))
    return NumberedFrontEnds(
        SimpleNamespace(standardisation=module, config=SimpleNamespace(profile_s=CONSTANT_S)), data
    )


def means(assignment, utterances=range(24)):
    """Return the mean of the profile that each utterance is assigned to."""
    return assignment.mean[assignment.number[list(utterances)], 0]


def test_utterances_get_the_profile_of_their_corpus(front_ends):
    assignment = assign_profiles(front_ends, GROUPS, range(2, 24))
    share = np.array([42.0, 24.0]) / (np.array([42.0, 24.0]) + CONSTANT_S)
    wanted = share * [np.arange(2, 16).mean(), np.arange(16, 24).mean()] - (1 - share) * 10.0
    np.testing.assert_allclose(means(assignment, range(2, 24)), wanted[CORPUS[2:]], rtol=1e-5)
    np.testing.assert_allclose(means(assignment, [0, 1]), -10.0)  # not measured: the training data's


def test_a_speakers_profile_is_shrunk_as_labelling_does_it(front_ends):
    assignment = assign_profiles(front_ends, GROUPS, range(24), by_speaker=True)
    own = front_ends.model.standardisation.own_profile()
    for corpus, members in ((0, range(16)), (1, range(16, 24))):
        whole = front_ends.profile(np.array(members))
        for speaker in np.unique(SPEAKER[list(members)]):
            measured = front_ends.profile(np.flatnonzero(speaker == SPEAKER))
            wanted = measured.shrunk_towards(whole, CONSTANT_S).shrunk_towards(own, CONSTANT_S)
            mean, sd = mean_and_sd(wanted, 3)
            number = assignment.number[np.flatnonzero(speaker == SPEAKER)]
            assert len(set(number)) == 1, corpus
            np.testing.assert_allclose(assignment.mean[number[0]], mean, rtol=1e-5)
            np.testing.assert_allclose(assignment.sd[number[0]], sd, rtol=1e-5)


def test_statistics_are_those_of_the_segments_utterances():
    assignment = Assignment.of([profile_of(0.0), profile_of(2.0)], np.array([0, 1, 0]), 3)
    statistics = assignment.statistics(np.array([1, 1, 2]), torch.device("cpu"))
    assert statistics.mean[:, 0].tolist() == [2.0, 2.0, 0.0]
    assert statistics.sd[0].tolist() == [1.0, 1.0, 1.0, 2.0, 2.0]  # between segments for elements, of frames for bins


def test_a_network_without_profiles_has_no_assignment(front_ends):
    front_ends.model.config.profile_s = 0.0
    assert assign_profiles(front_ends, GROUPS, range(24)) is None


def test_corpora_are_profiled_one_by_one(front_ends):
    profiles = profile_corpora(front_ends, GROUPS, [0, 2, 20])
    assert {corpus: profile.mean[0] for corpus, profile in profiles.items()} == {0: 1.0, 1: 20.0}


@pytest.fixture
def simulator(front_ends):
    """Return a function that makes a simulator, and the utterances of each profile that it has measured."""
    measured = []

    def profile(members, rng):
        measured.append(np.sort(members))
        return front_ends.profile(members)

    def make(train=range(24), **settings):
        measured.clear()
        chosen = ProfileSimulation(**{"p_none": 0.0, "p_speaker": 0.0} | settings)
        own = front_ends.model.standardisation.own_profile()
        return Simulator(chosen, GROUPS, train, profile, own, CONSTANT_S, 3), measured

    return make


def draw(simulator, seed=0):
    return simulator.draw(np.random.default_rng(seed))


def test_without_batches_all_have_the_training_datas_profile(simulator):
    drawn, measured = simulator(p_none=1.0)
    assignment = draw(drawn)
    assert not measured
    np.testing.assert_allclose(means(assignment), -10.0)


@pytest.mark.parametrize("seed", range(8))
def test_every_utterance_of_a_batch_has_the_batchs_profile(simulator, seed):
    drawn, measured = simulator(max_batches=3)
    assignment = draw(drawn, seed)
    numbers = sorted(set(assignment.number))
    assert numbers == list(range(1, len(measured) + 1)), "each profile is in use, and every utterance has one"
    for number, members in zip(numbers, measured, strict=True):
        batch = np.flatnonzero(assignment.number == number)
        assert set(members) <= set(batch), "measured on some of its own utterances"
        assert len(set(CORPUS[batch])) == 1
        assert set(np.flatnonzero(np.isin(SPEAKER, SPEAKER[batch]))) == set(batch), "whole speakers"
        share = 3.0 * len(members) / (3.0 * len(members) + CONSTANT_S)
        np.testing.assert_allclose(means(assignment, batch), share * members.mean() - (1 - share) * 10.0, rtol=1e-5)
    n_batches = [len(set(assignment.number[corpus == CORPUS])) for corpus in (0, 1)]
    assert n_batches[0] <= 3
    assert n_batches[1] <= 2, "no more batches than speakers"


@pytest.mark.parametrize("seed", range(4))
def test_speakers_of_a_batch_may_have_profiles_of_their_own(simulator, front_ends, seed):
    drawn, measured = simulator(max_batches=1, p_speaker=1.0)
    assignment = draw(drawn, seed)
    own = front_ends.model.standardisation.own_profile()
    assert len(measured) == 2 + 6
    whole, *speakers = measured[:5]
    for members in speakers:
        speaker = SPEAKER[members[0]]
        assert set(SPEAKER[members]) == {speaker}
        towards = front_ends.profile(whole)
        wanted = front_ends.profile(members).shrunk_towards(towards, CONSTANT_S).shrunk_towards(own, CONSTANT_S)
        np.testing.assert_allclose(means(assignment, np.flatnonzero(speaker == SPEAKER)), wanted.mean[0], rtol=1e-5)


def test_the_seed_decides_a_draw(simulator):
    settings = {"p_none": 0.3, "p_speaker": 0.5}
    first, again, other = (draw(simulator(**settings)[0], seed) for seed in (3, 3, 4))
    for name in ("mean", "sd", "number"):
        assert np.array_equal(getattr(first, name), getattr(again, name))
    assert not np.array_equal(means(first), means(other))


def test_other_utterances_are_neither_measured_nor_assigned(simulator):
    train = [1, 2, 5, 6, 17, 18, 21]
    drawn, measured = simulator(train)
    assignment = draw(drawn)
    assert set(np.concatenate(measured)) <= set(train)
    assert set(np.flatnonzero(assignment.number)) == set(train)


def test_profiles_are_measured_on_few_and_on_many_with_uneven_classes(simulator):
    sizes, shares = [], []
    drawn, measured = simulator(max_batches=1, max_utterances=12)
    for seed in range(150):
        draw(drawn, seed)
    for members in measured:
        assert len(set(members)) == len(members)
        sizes.append(len(members))
        shares.append(GROUPS.target[members].mean())
    assert min(sizes) == 1
    assert max(sizes) == 12
    assert 0.2 < np.mean([size >= 8 for size in sizes]) < 0.8
    several = np.array(shares)[np.array(sizes) >= 4]
    assert (several < 0.3).any()
    assert (several > 0.7).any()
    assert abs(several.mean() - 0.5) < 0.1
