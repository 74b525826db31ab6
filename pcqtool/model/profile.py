"""Profiles: the sound of a batch of recordings, by which a network standardises its inputs; no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Statistics = NDArray[np.float64]

_MIN_SD = 1e-3


@dataclass(frozen=True)
class Profile:
    """Statistics of the features of a batch's speech.

    The C features are the elements of the encoder's frames, followed by the bins of the pooled spectrogram in dB. A
    segment's mean and mean square are those over its frames without padding; segments are weighted by duration.

    Attributes:
        speech_s: duration of the measured segments.
        mean: ``(C,)``, mean over segments.
        between: ``(C,)``, mean over segments of the squared segment means.
        square: ``(C,)``, mean over segments of the mean squares.
    """

    speech_s: float
    mean: Statistics
    between: Statistics
    square: Statistics

    @classmethod
    def measured(cls, moments: NDArray[np.float64], durations_s: NDArray[np.float64]) -> Profile:
        """Build the profile of segments.

        Args:
            moments: ``(N, 2, C)``, mean and mean square of each segment, from ``Predictor.moments``.
            durations_s: ``(N,)``, at least one of them positive.
        """
        weights = durations_s / durations_s.sum()
        mean, square = np.einsum("n,nmc->mc", weights, moments)
        return cls(float(durations_s.sum()), mean, weights @ moments[:, 0] ** 2, square)

    @classmethod
    def combined(cls, profiles: Sequence[Profile]) -> Profile:
        """Return the profile of all segments of several profiles."""
        durations_s = np.array([each.speech_s for each in profiles])
        weights = durations_s / durations_s.sum()
        parts = (np.stack([getattr(each, name) for each in profiles]) for name in ("mean", "between", "square"))
        return cls(float(durations_s.sum()), *(weights @ part for part in parts))

    def shrunk_towards(self, other: Profile, constant_s: float) -> Profile:
        """Mix with another profile: ``speech_s`` against a constant, so that little speech changes little.

        The mixture rests on the speech of the richer of the two: a speaker's profile is mixed with that of the batch
        first, and then, with the weight of the batch, with that of the training data.

        Examples:
            >>> one = np.ones(1)
            >>> quiet, loud = Profile(30.0, 0 * one, one, one), Profile(90.0, 4 * one, 16 * one, 17 * one)
            >>> loud.shrunk_towards(quiet, constant_s=90).mean
            array([2.])
        """
        share = self.speech_s / (self.speech_s + constant_s)
        parts = (
            share * getattr(self, name) + (1 - share) * getattr(other, name) for name in ("mean", "between", "square")
        )
        return Profile(max(self.speech_s, other.speech_s), *parts)


def mean_profile(profiles: Sequence[Profile]) -> Profile:
    """Return the mean of several profiles, each of which counts equally."""
    parts = (np.mean([getattr(each, name) for each in profiles], axis=0) for name in ("mean", "between", "square"))
    return Profile(sum(each.speech_s for each in profiles), *parts)


def mean_and_sd(profile: Profile, n_elements: int) -> tuple[Statistics, Statistics]:
    """Return mean and standard deviation ``(C,)`` of a profile: between segments for elements, in all for bins."""
    variance = np.concatenate((profile.between[:n_elements], profile.square[n_elements:])) - profile.mean**2
    return profile.mean, np.sqrt(np.maximum(variance, _MIN_SD**2))


def statistics_of(
    own: Profile, profiles: Sequence[Profile], n_elements: int, constant_s: float
) -> tuple[Statistics, Statistics]:
    """Return mean and standard deviation of profiles, each shrunk towards that of the training data.

    Args:
        own: the training data's profile.
        profiles: the profiles; none for that of the training data.
        n_elements: elements of the encoder's frames, the first of the features.
        constant_s: seconds of speech at which a profile and that of the training data count equally.

    Returns:
        ``(len(profiles), C)`` each, or ``(1, C)`` of the training data.
    """
    used = [profile.shrunk_towards(own, constant_s) for profile in profiles] or [own]
    mean, sd = zip(*(mean_and_sd(profile, n_elements) for profile in used), strict=True)
    return np.stack(mean), np.stack(sd)
