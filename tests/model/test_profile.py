from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pcqtool.model.profile import Profile, mean_profile

NAMES = ("mean", "between", "square")


def moments_of(n, seed):
    """Moments ``(n, 2, 3)`` of segments, and their durations."""
    rng = np.random.default_rng(seed)
    means = rng.normal(0, 10, (n, 1, 3))
    return np.concatenate((means, means**2 + rng.random((n, 1, 3))), axis=1), rng.uniform(0.1, 3.0, n)


def assert_same(found, wanted):
    assert found.speech_s == pytest.approx(wanted.speech_s)
    for name in NAMES:
        np.testing.assert_allclose(getattr(found, name), getattr(wanted, name), rtol=1e-9, atol=1e-9)


def test_segments_are_weighted_by_duration():
    moments = np.array([[[1.0], [5.0]], [[5.0], [29.0]]])
    profile = Profile.measured(moments, np.array([3.0, 1.0]))
    assert profile.speech_s == 4.0
    assert profile.mean == [2.0]
    assert profile.between == [0.75 * 1 + 0.25 * 25]
    assert profile.square == [0.75 * 5 + 0.25 * 29]


@settings(deadline=None)
@given(n=st.integers(2, 12), seed=st.integers(0, 99), cut=st.floats(0.01, 0.99))
def test_the_profile_of_parts_is_that_of_the_whole(n, seed, cut):
    moments, durations_s = moments_of(n, seed)
    at = min(max(round(cut * n), 1), n - 1)
    parts = [Profile.measured(moments[part], durations_s[part]) for part in (slice(at), slice(at, None))]
    assert_same(Profile.combined(parts), Profile.measured(moments, durations_s))
    order = np.random.default_rng(seed).permutation(n)
    assert_same(Profile.measured(moments[order], durations_s[order]), Profile.measured(moments, durations_s))


@settings(deadline=None)
@given(seed=st.integers(0, 99), constant_s=st.floats(0.1, 1000.0))
def test_more_speech_counts_for_more(seed, constant_s):
    one, other = (Profile.measured(*moments_of(4, each)) for each in (seed, seed + 1000))
    scale = np.abs(one.mean - other.mean).max()
    distances = []
    for speech_s in (0.0, 1.0, 30.0, 1e3, 1e9):
        longer = Profile(speech_s, one.mean, one.between, one.square)
        distances.append(np.abs(longer.shrunk_towards(other, constant_s).mean - one.mean).max() / scale)
    assert distances == sorted(distances, reverse=True)
    assert distances[0] == pytest.approx(1.0), "no speech: the other one"
    assert distances[-1] < 1e-5
    half = Profile(constant_s, one.mean, one.between, one.square).shrunk_towards(other, constant_s)
    for name in NAMES:
        np.testing.assert_allclose(getattr(half, name), (getattr(one, name) + getattr(other, name)) / 2)


def test_a_profile_shrunk_towards_itself_is_unchanged():
    profile = Profile.measured(*moments_of(5, 0))
    assert_same(profile.shrunk_towards(profile, 60.0), profile)


def test_profiles_count_equally_in_their_mean():
    quiet, loud = (Profile.measured(*moments_of(n, seed)) for n, seed in ((2, 0), (30, 1)))
    mean = mean_profile([quiet, loud])
    for name in NAMES:
        np.testing.assert_allclose(getattr(mean, name), (getattr(quiet, name) + getattr(loud, name)) / 2)
    assert mean.speech_s == pytest.approx(quiet.speech_s + loud.speech_s)
