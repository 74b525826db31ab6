from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax, softmax

from pcqtool.errors import TrainingError
from pcqtool.metrics.calibration import fit_temperature, mean_logits


def sharpened(temperature: float, n: int = 20_000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits of an honest model made too sure by a factor, and classes drawn from its honest probabilities."""
    rng = np.random.default_rng(seed)
    honest = rng.normal(scale=2.0, size=(n, 4))
    y = (softmax(honest, axis=1).cumsum(axis=1) < rng.random((n, 1))).sum(axis=1)
    return honest * temperature, y


@pytest.mark.parametrize("temperature", [0.2, 1.0, 3.0, 12.0])
def test_a_known_temperature_is_found(temperature):
    logits, y = sharpened(temperature)
    assert fit_temperature(logits, y) == pytest.approx(temperature, rel=0.03)


def test_log_probabilities_and_logits_give_the_same():
    logits, y = sharpened(2.0, n=500)
    assert fit_temperature(log_softmax(logits, axis=1), y) == pytest.approx(fit_temperature(logits, y), rel=1e-4)


def test_classes_that_a_file_cannot_have_do_not_count():
    logits, y = sharpened(3.0, n=3000)
    wider = np.concatenate((logits, np.full((len(logits), 2), 50.0)), axis=1)  # two classes that no file can have
    allowed = np.repeat([[True] * 4 + [False] * 2], len(logits), axis=0)
    assert fit_temperature(wider, y, allowed) == pytest.approx(fit_temperature(logits, y), rel=1e-3)
    assert fit_temperature(wider, y) > 10


def test_files_of_many_segments_are_judged_as_files():
    rng = np.random.default_rng(1)
    pooled, y = sharpened(3.0, n=4000)
    files = []
    for row in pooled:
        noise = rng.normal(size=(rng.integers(1, 5), 4))
        files.append(row + noise - noise.mean(axis=0))  # the segments differ, their mean is the file's
    assert fit_temperature(files, y) == pytest.approx(fit_temperature(pooled, y), rel=1e-4)


@given(seed=st.integers(0, 10_000), n_segments=st.integers(1, 5), temperature=st.floats(0.05, 20.0))
def test_pooled_logits_have_the_probabilities_of_the_rule_for_files(seed, n_segments, temperature):
    logits = np.random.default_rng(seed).normal(scale=3.0, size=(n_segments, 4))
    rule = softmax(log_softmax(logits / temperature, axis=1).mean(axis=0))
    for label in range(4):
        loss = -log_softmax(mean_logits([logits])[0] / temperature)[label]
        assert loss == pytest.approx(-np.log(rule[label]), abs=1e-9)


@settings(max_examples=50)
@given(seed=st.integers(0, 10_000), n=st.integers(1, 30), scale=st.floats(0.0, 30.0))
def test_it_stays_in_bounds_and_never_worsens_the_likelihood_of_its_own_data_and_a_wrong_file(seed, n, scale):
    rng = np.random.default_rng(seed)
    logits, y = rng.normal(scale=scale, size=(n, 3)), rng.integers(0, 3, n)
    temperature = fit_temperature(logits, y)
    assert 0.05 <= temperature <= 20.0

    def cost(temperature):
        log_probs = log_softmax(logits / temperature, axis=1)
        targets = np.full((n, 3), 0.5 / (n + 2))
        targets[np.arange(n), y] = (n + 1) / (n + 2)
        return -(targets * log_probs).sum(axis=1).mean()

    around = np.clip(np.array([temperature * 0.99, 1.0, temperature * 1.01]), 0.05, 20.0)
    assert all(cost(temperature) <= cost(other) + 1e-6 for other in around)


@pytest.mark.parametrize("n", [1, 10, 100])
def test_a_model_that_is_always_right_is_made_as_sure_as_so_many_files_allow(n):
    logits, y = np.tile(np.eye(3), (n, 1)), np.tile([0, 1, 2], n)
    sure = softmax(logits / fit_temperature(logits, y), axis=1).max(axis=1)
    assert sure == pytest.approx((3 * n + 1) / (3 * n + 2), rel=1e-3)


def test_a_model_that_is_always_wrong_is_made_as_unsure_as_allowed():
    assert fit_temperature(np.eye(3), [1, 2, 0]) == pytest.approx(20.0, rel=0.01)


@pytest.mark.parametrize("logits", [[], [np.empty((0, 3))], [np.array([[np.nan, 0.0, 1.0]])], [[[-np.inf, 0.0, 1.0]]]])
def test_nothing_to_fit_on_is_an_error(logits):
    with pytest.raises(TrainingError, match="calibration"):
        fit_temperature(logits, [0] * len(logits))


def test_a_class_for_every_file():
    with pytest.raises(ValueError, match="2 files, but classes of shape"):
        fit_temperature(np.eye(2), [0])
