"""Profiles in training: batches are simulated, so that the network learns to work with the profile of any batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from numpy.typing import NDArray

from pcqtool.model.profile import Profile, mean_and_sd
from pcqtool.model.standardisation import MeanAndSd
from pcqtool.training.data import Groups
from pcqtool.training.recipe import ProfileSimulation

if TYPE_CHECKING:
    from pcqtool.model.pcq import PCQ
    from pcqtool.training.network_inputs import FrontEnds


@dataclass(frozen=True)
class Assignment:
    """The profile that each utterance is standardised by, as mean and standard deviation.

    Attributes:
        mean: ``(P, C)``, of P profiles.
        sd: ``(P, C)``.
        number: ``(U,)``, which of the profiles an utterance has.
    """

    mean: NDArray[np.float32]
    sd: NDArray[np.float32]
    number: NDArray[np.int64]

    @classmethod
    def of(cls, profiles: Sequence[Profile], number: NDArray[np.int64], n_elements: int) -> Assignment:
        """Assign utterances to profiles; ``n_elements`` is the length of the encoder's frames."""
        means, sds = zip(*(mean_and_sd(profile, n_elements) for profile in profiles), strict=True)
        return cls(np.stack(means).astype(np.float32), np.stack(sds).astype(np.float32), number)

    def statistics(self, utterances: NDArray[np.int64], device: torch.device) -> MeanAndSd:
        """Return the statistics of segments, given the utterance of each."""
        rows = self.number[utterances]
        return MeanAndSd(*(torch.from_numpy(each[rows]).to(device) for each in (self.mean, self.sd)))


def profile_corpora(front_ends: FrontEnds, groups: Groups, utterances: Iterable[int]) -> dict[int, Profile]:
    """Measure the profile of the utterances of each corpus, on the recordings themselves."""
    parts = _split_by(groups.corpus, np.fromiter(utterances, np.int64))
    return {corpus: front_ends.profile(front_ends.data.recorded_rows(part)) for corpus, part in parts.items()}


def assign_profiles(
    front_ends: FrontEnds, groups: Groups, utterances: Iterable[int], by_speaker: bool = False
) -> Assignment | None:
    """Measure the profiles of utterances, and assign each of them to that of its corpus or of its speaker.

    As in labelling, the profile of a speaker is shrunk towards the corpus's, and both towards the training data's.

    Args:
        front_ends: of the network, with the segments of the utterances.
        groups: corpora and speakers.
        utterances: indices of the utterances.
        by_speaker: whether each speaker has a profile.

    Returns:
        The assignment, with the training data's profile for other utterances; ``None`` for a network without profiles.
    """
    if not front_ends.model.config.profile_s:
        return None
    model = cast("PCQ", front_ends.model)
    own, constant_s = model.standardisation.own_profile(), model.config.profile_s
    profiles, number = [own], np.zeros(len(groups.corpus), np.int64)
    members_of = _split_by(groups.corpus, np.fromiter(utterances, np.int64))
    for members in members_of.values():
        whole = front_ends.profile(front_ends.data.recorded_rows(members))
        number[members] = len(profiles)
        profiles.append(whole.shrunk_towards(own, constant_s))
        for part in _split_by(groups.speaker, members).values() if by_speaker else ():
            number[part] = len(profiles)
            speaker = front_ends.profile(front_ends.data.recorded_rows(part)).shrunk_towards(whole, constant_s)
            profiles.append(speaker.shrunk_towards(own, constant_s))
    return Assignment.of(profiles, number, model.standardisation.n_elements)


class Simulator:
    """Draws the profiles of an epoch.

    Args:
        settings: how batches are drawn.
        groups: the utterances.
        train: indices of those that are trained on.
        profile: measures the profile of utterances, given their indices and a random generator for the version.
        own: the training data's profile.
        profile_s: seconds of speech that a profile is shrunk by.
        n_elements: length of the encoder's frames.
    """

    def __init__(
        self,
        settings: ProfileSimulation,
        groups: Groups,
        train: Sequence[int],
        profile: Callable[[NDArray[np.int64], np.random.Generator], Profile],
        own: Profile,
        profile_s: float,
        n_elements: int,
    ) -> None:
        self.settings, self.groups, self.train = settings, groups, np.asarray(train)
        self.profile, self.own, self.profile_s, self.n_elements = profile, own, profile_s, n_elements

    def draw(self, rng: np.random.Generator) -> Assignment:
        """Draw batches and their profiles; utterances that are not trained on have the training data's."""
        profiles = [self.own]
        number = np.zeros(len(self.groups.corpus), np.int64)
        for batch in self._batches(rng):
            if rng.random() < self.settings.p_none:
                continue
            whole = self._measure(batch, rng)
            number[batch] = len(profiles)
            profiles.append(whole.shrunk_towards(self.own, self.profile_s))
            if rng.random() < self.settings.p_speaker:
                for members in _split_by(self.groups.speaker, batch).values():
                    number[members] = len(profiles)
                    speaker = self._measure(members, rng).shrunk_towards(whole, self.profile_s)
                    profiles.append(speaker.shrunk_towards(self.own, self.profile_s))
        return Assignment.of(profiles, number, self.n_elements)

    def _batches(self, rng: np.random.Generator) -> list[NDArray[np.int64]]:
        batches = []
        for members in _split_by(self.groups.corpus, self.train).values():
            speakers = rng.permutation(np.unique(self.groups.speaker[members]))
            n_batches = rng.integers(1, min(self.settings.max_batches, len(speakers)) + 1)
            batches += [
                members[np.isin(self.groups.speaker[members], part)] for part in np.array_split(speakers, n_batches)
            ]
        return batches

    def _measure(self, members: NDArray[np.int64], rng: np.random.Generator) -> Profile:
        """Measure the profile of a random subset of utterances: usually small, often of uneven class mix."""
        largest = min(len(members), self.settings.max_utterances)
        size = round(_log_uniform(rng, largest)) if rng.random() < _P_SMALL else largest
        targets, position = np.unique(self.groups.target[members], return_inverse=True)
        share = rng.dirichlet(np.full(len(targets), rng.choice(_CONCENTRATIONS)))
        weights = share[position] / np.bincount(position)[position] + _MIN_WEIGHT
        chosen = rng.choice(members, size, replace=False, p=weights / weights.sum())
        return self.profile(chosen, rng)


_P_SMALL = 0.7  # probability of a subset of random size, not the largest
_CONCENTRATIONS = (0.3, 1.0, 5.0)  # of the Dirichlet distribution of classes: one class dominates, up to nearly even
_MIN_WEIGHT = 1e-9  # keeps every utterance possible


def _log_uniform(rng: np.random.Generator, largest: int) -> float:
    """Draw a size from 1 to ``largest``, uniform in its logarithm."""
    return float(np.exp(rng.uniform(0.0, np.log(largest))))


def _split_by(key: NDArray[np.int64], members: NDArray[np.int64]) -> Mapping[int, NDArray[np.int64]]:
    """Divide utterances by the value of a key."""
    return {int(value): members[key[members] == value] for value in np.unique(key[members])}
