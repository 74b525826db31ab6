"""Standardisation of a network's inputs by the profile of a batch, or by that of the training data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pcqtool.model.profile import Profile, statistics_of


class MeanAndSd(NamedTuple):
    """Mean and standard deviation by which features are standardised.

    Attributes:
        mean: ``(B, C)``, or ``(1, C)`` for all segments alike: elements of the encoder's frames, then bins.
        sd: of the same shape.
    """

    mean: Tensor
    sd: Tensor

    def of(self, groups: Tensor) -> MeanAndSd:
        """Return the statistics of segments, given the row of each segment's group ``(B,)``."""
        return MeanAndSd(self.mean[groups], self.sd[groups])

    def mixed(self, other: NDArray[np.int64], weight: float) -> MeanAndSd:
        """Return the statistics of segments that are mixed with others, which have ``weight``, given their rows."""
        mean, sd = (each.expand(len(other), -1) for each in self)
        return MeanAndSd(mean.lerp(mean[other], weight), sd.lerp(sd[other], weight))


class Standardisation(nn.Module):
    """The training data's own profile; features are standardised by it, or by a profile that is shrunk towards it.

    An element of the encoder's frames is divided by the standard deviation of its segment means, which is where
    emotions differ; a bin is divided by the standard deviation of its frames.

    Args:
        n_elements: elements of the encoder's frames; 0 if they are not standardised.
        n_bins: bins of the pooled spectrogram.

    Examples:
        >>> import torch
        >>> module = Standardisation(n_elements=8, n_bins=4)
        >>> module.standardise_frames(torch.zeros(2, 75, 8), module.statistics()).shape
        torch.Size([2, 75, 8])
    """

    def __init__(self, n_elements: int, n_bins: int) -> None:
        super().__init__()
        self.n_elements = n_elements
        # named like the statistics of batch normalisation, with which they are stored
        self.running_mean = nn.Buffer(torch.zeros(n_elements + n_bins))
        self.running_between = nn.Buffer(torch.ones(n_elements + n_bins))
        self.running_square = nn.Buffer(torch.ones(n_elements + n_bins))

    def own_profile(self) -> Profile:
        """Return the training data's profile."""
        parts = (self.running_mean, self.running_between, self.running_square)
        return Profile(0.0, *(part.double().cpu().numpy() for part in parts))

    def keep_profile(self, profile: Profile) -> None:
        """Take over a profile as that of the training data."""
        self.running_mean.copy_(torch.from_numpy(profile.mean))
        self.running_between.copy_(torch.from_numpy(profile.between))
        self.running_square.copy_(torch.from_numpy(profile.square))

    def statistics(self, profiles: Sequence[Profile] = (), constant_s: float = 0.0) -> MeanAndSd:
        """Return the statistics of profiles, each shrunk towards the training data's.

        Args:
            profiles: the profiles; none for that of the training data.
            constant_s: seconds of speech at which a profile and that of the training data count equally.

        Returns:
            MeanAndSd ``(len(profiles), C)``, or ``(1, C)`` of the training data.
        """
        pair = statistics_of(self.own_profile(), profiles, self.n_elements, constant_s)
        return MeanAndSd(*(torch.from_numpy(each).to(self.running_mean) for each in pair))

    def standardise_frames(self, frames: Tensor, statistics: MeanAndSd) -> Tensor:
        """Standardise the encoder's frames ``(B, T, n_elements)``."""
        mean, sd = (each[:, None, : self.n_elements] for each in statistics)
        return (frames - mean) / sd

    def standardise_bins(self, spectrogram: Tensor, statistics: MeanAndSd) -> Tensor:
        """Standardise a pooled spectrogram ``(B, 1, H, n_bins)`` in dB."""
        mean, sd = (each[:, None, None, self.n_elements :] for each in statistics)
        return (spectrogram - mean) / sd
