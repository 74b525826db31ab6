from __future__ import annotations

import numpy as np
import pytest


def test_a_table_is_taken_apart(predictions):
    found = predictions([("a", 0, "s0", 0, 0.5), ("b", 2, "s1", 1, 0.75)])
    assert len(found) == 2
    assert found.key.tolist() == [("a", None, "mix"), ("b", None, "mix")]
    assert (found.truth.tolist(), found.label.tolist()) == ([0, 2], [0, 1])
    np.testing.assert_allclose(found.probabilities, [[0.5, 0.25, 0.25], [0.125, 0.75, 0.125]])
    np.testing.assert_allclose(found.probabilities, found.uncalibrated)
    assert (found.speaker.tolist(), found.fold.tolist(), found.seed.tolist()) == (["s0", "s1"], ["s0", "s1"], [0, 0])


def test_rows_are_grouped(predictions):
    found = predictions([("a", 0, "s0", 0, 0.5, 0), ("a", 0, "s0", 1, 0.5, 1), ("b", 2, "s1", 2, 0.5, 0)])
    assert {seed: len(rows) for seed, rows in found.group_by("seed").items()} == {0: 2, 1: 1}
    assert {fold: rows.label.tolist() for fold, rows in found.group_by("fold").items()} == {"s0": [0, 1], "s1": [2]}
    assert predictions([("a", 0, "s0", 0, 0.5, None)]).group_by("seed") == {}


def test_seeds_decide_together_by_mean_log_probability(predictions):
    # certain of class 0 with one seed, two others lean to class 1
    found = predictions([("a", 0, "s0", 0, 0.98, 0), ("a", 0, "s0", 1, 0.5, 1), ("a", 0, "s0", 1, 0.5, 2)])
    together = found.ensemble()
    expected = np.exp(np.log(found.probabilities).mean(axis=0))
    np.testing.assert_allclose(together.probabilities, [expected / expected.sum()])
    assert together.label.tolist() == [0]
    assert together.key.tolist() == [("a", None, "mix")]
    assert found.utterance.tolist() == [0, 0, 0]


def test_an_impossible_label_of_one_seed_leaves_numbers(predictions):
    together = predictions([("a", 0, "s0", 0, 1.0, 0), ("a", 0, "s0", 1, 1.0, 1)]).ensemble()
    assert np.isfinite(together.probabilities).all()
    assert together.probabilities.sum() == pytest.approx(1.0)


def test_one_seed_alone_decides_as_it_did(predictions):
    found = predictions([("a", 0, "s0", 0, 0.5), ("b", 2, "s1", 1, 0.75)])
    together = found.ensemble()
    np.testing.assert_allclose(together.probabilities, found.probabilities, atol=1e-12)
    assert together.label.tolist() == found.label.tolist()


def test_unknown_speakers_are_scored_without_intervals(predictions):
    assert predictions([("a", 0, "s0", 0, 0.5), ("b", 2, "s1", 1, 0.7)]).score().wa_interval == (0.0, 1.0)
    assert predictions([("a", 0, None, 0, 0.5), ("b", 2, "s1", 1, 0.7)]).score().wa_interval is None
