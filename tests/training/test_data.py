from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from pcqtool.corpora.base import Utterance
from pcqtool.model.pcq import PCQ, PCQConfig
from pcqtool.training.data import Groups, SegmentSet, TrainingSetup, count_batches, draw_batches, group_utterances
from pcqtool.training.recipe import Recipe

CPU = torch.device("cpu")


def batches_of(setup, size, seed=0):
    return draw_batches(setup, size, np.random.default_rng(seed))


def test_batches_hold_one_version_of_every_utterance(setup_of, toy_recipe, fold):
    setup = setup_of(toy_recipe(), fold.train)
    batches = batches_of(setup, 4)
    assert all(2 <= len(batch) <= 4 for batch in batches)
    rows = np.concatenate(batches)
    assert len(set(rows)) == len(rows)
    utterances = setup.data.utterance[rows]
    assert set(utterances) <= set(fold.train)
    for utterance in set(utterances):
        assert len(set(setup.data.version[rows[utterances == utterance]])) == 1


def test_a_share_of_utterances_is_seen_as_recorded(setup_of, toy_recipe, fold):
    def share(p_clean):
        setup = setup_of(toy_recipe(p_clean=p_clean), fold.train)
        drawn = (np.concatenate(batches_of(setup, 8, seed))[:20] for seed in range(30))
        return np.mean([setup.data.version[rows] == 0 for rows in drawn])

    assert share(0.0) == pytest.approx(0.5, abs=0.1)
    assert share(0.5) == pytest.approx(0.75, abs=0.1)
    assert share(0.999999) == 1.0


@pytest.fixture
def pooled():
    """Two corpora of 3 and 12 utterances, each of one segment in two versions; the last utterance is not trained on."""
    utterance = np.repeat(np.arange(16), 2)
    data = SegmentSet(np.zeros((32, 48000), np.int16), np.full(32, 48000), utterance, np.tile([0, 1], 16))
    corpus = np.array([0] * 3 + [1] * 13)
    targets = np.arange(16) % 2
    groups = Groups(corpus, np.arange(16), targets)
    return TrainingSetup(PCQ, PCQConfig(("anger", "neutral")), data, targets, range(15), Recipe("r"), CPU, groups)


@pytest.mark.parametrize("seed", range(5))
def test_corpora_have_equal_shares(pooled, seed):
    rows = np.concatenate(batches_of(pooled, 4, seed))
    utterances = pooled.data.utterance[rows]
    counts = np.bincount(utterances, minlength=16)
    assert counts[:3].sum() == counts[3:].sum() == 8  # half of the 15 utterances that are trained on
    assert counts[:3].min() >= 2, "all utterances of a small corpus return before one returns again"
    assert counts[:3].max() <= 3
    assert counts[3:].max() == 1
    assert counts[15] == 0


def test_other_utterances_of_a_large_corpus_are_drawn_in_each_epoch(pooled):
    drawn = {tuple(sorted(set(pooled.data.utterance[np.concatenate(batches_of(pooled, 4, seed))]))) for seed in (0, 1)}
    assert len(drawn) == 2
    seen = {utterance for seed in range(20) for rows in batches_of(pooled, 4, seed) for utterance in rows // 2}
    assert seen == set(range(15))


def test_batches_are_counted_as_they_are_drawn(pooled, setup_of, toy_recipe, fold):
    assert count_batches(pooled, 4) in (len(batches_of(pooled, 4)), len(batches_of(pooled, 4)) - 1)
    data = replace(
        pooled.data,
        samples=np.zeros((35, 48000), np.int16),
        n_samples=np.full(35, 48000),
        utterance=np.concatenate(([0, 0, 0], pooled.data.utterance)),
        version=np.concatenate(([0, 0, 0], pooled.data.version)),
    )
    longer = replace(pooled, data=data)  # a small corpus of longer recordings fills half of an epoch
    assert count_batches(longer, 1) == 22  # 15 · (2 + 1) / 2
    single = setup_of(toy_recipe(p_clean=0.999999), fold.train)
    assert abs(count_batches(single, 4) - len(batches_of(single, 4))) <= 1


def test_classes_are_possible_where_a_corpus_has_them_in_training(pooled):
    targets = pooled.targets.copy()
    targets[:3], targets[15] = 1, 0
    assert replace(pooled, targets=targets).allowed_classes.tolist() == [[False, True], [True, True]]
    assert replace(pooled, targets=targets, train=[0, 3, 15]).allowed_classes.tolist() == [[False, True], [True, True]]
    assert replace(pooled, targets=targets, train=[0, 3]).allowed_classes.tolist() == [[False, True], [False, True]]


def test_speakers_of_two_corpora_are_different():
    utterances = [Utterance("a.wav", label, speaker) for label, speaker in (("anger", "1"), ("neutral", "2"))] * 2
    groups = group_utterances(utterances, ("anger", "neutral"), ["x", "x", "y", "y"])
    assert groups.corpus.tolist() == [0, 0, 1, 1]
    assert len(set(groups.speaker)) == 4
    assert groups.target.tolist() == [0, 1, 0, 1]
    alone = group_utterances(utterances, ("neutral", "anger"))
    assert len(set(alone.corpus)) == 1
    assert alone.speaker[0] == alone.speaker[2] != alone.speaker[1]
    assert alone.target.tolist() == [1, 0, 1, 0]
