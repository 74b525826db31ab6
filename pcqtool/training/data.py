"""A corpus as segments in memory, with augmented versions of each recording."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pcqtool.corpora.base import Utterance
from pcqtool.training.blocks import Rows

if TYPE_CHECKING:
    import torch

    from pcqtool.model.encoders import Encoder
    from pcqtool.model.network import AnyNetwork, NetworkConfig
    from pcqtool.training.recipe import Recipe

FULL_SCALE = 32768.0
"""Value of a sample that stands for 1; 16-bit recordings at 16 kHz keep every bit."""

_HASHED_AT_ONCE = 64  # segments


@dataclass(frozen=True)
class SegmentSet:
    """S segments of U utterances, sorted by utterance, version and time; version 0 is the recording itself."""

    samples: Rows[np.int16]  # (S, 48000), padded with zeros at the end; recordings with more bits are rounded
    n_samples: NDArray[np.int64]  # (S,), samples before padding
    utterance: NDArray[np.int64]  # (S,), index into the corpus's list
    version: NDArray[np.int64]  # (S,), number of the augmented version
    states: Rows[np.float16] | None = None  # (S, n, T, D), cached hidden states of a frozen encoder
    spectrograms: NDArray[np.float16] | None = None  # (S, 1, H, W) in dB, pooled as the network does
    recording_lengths: NDArray[np.int64] | None = None  # (U,) in samples, where silence has been removed
    moments: NDArray[np.float32] | None = None  # (S, 2, C), mean and mean square of each segment's features
    features: Sequence[Rows[Any] | None] | None = None  # (S, …) each: another network's inputs; None for the waves

    @cached_property
    def digests(self) -> list[bytes]:
        """SHA-256 of the samples of each utterance, in all versions."""
        digests = [hashlib.sha256() for _ in range(len(self._rows))]
        for rows in self.batches(_HASHED_AT_ONCE):
            for number, segment in zip(self.utterance[rows], self.samples[rows], strict=True):
                digests[number].update(segment.data)
        return [digest.digest() for digest in digests]

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the samples of all utterances, in hexadecimal."""
        return hashlib.sha256(b"".join(self.digests)).hexdigest()

    def waves(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return segments as inputs of the network, ``(len(rows), 48000)`` within -1 to 1."""
        return self.samples[rows].astype(np.float32) / np.float32(FULL_SCALE)

    def rows(self, utterance: int, version: int = 0) -> NDArray[np.int64]:
        """Return the rows of one version of an utterance, in order."""
        return self._rows[utterance][version]

    def recorded_rows(self, utterances: Iterable[int]) -> NDArray[np.int64]:
        """Return the rows of the recordings themselves, utterance by utterance."""
        return np.concatenate([self.rows(utterance) for utterance in utterances])

    def all_rows(self, utterances: Sequence[int]) -> NDArray[np.int64]:
        """Return the rows of all versions of utterances, in ascending order."""
        return np.flatnonzero(np.isin(self.utterance, utterances))

    def batches(self, size: int, rows: NDArray[np.int64] | None = None) -> Iterator[NDArray[np.int64]]:
        """Yield the given rows, or those of all segments, ``size`` at a time."""
        rows = np.arange(len(self.samples)) if rows is None else rows
        for start in range(0, len(rows), size):
            yield rows[start : start + size]

    def n_recorded(self, utterance: int) -> int:
        """Return the length of a recording in samples, including removed silence."""
        lengths = self.recording_lengths
        return int(self.n_samples[self.rows(utterance)].sum() if lengths is None else lengths[utterance])

    @property
    def n_augmented(self) -> int:
        """Number of augmented versions of each utterance."""
        return int(self.version.max())

    @cached_property
    def _rows(self) -> list[list[NDArray[np.int64]]]:
        n_utterances, n_versions = int(self.utterance.max()) + 1, self.n_augmented + 1
        key = self.utterance * n_versions + self.version
        groups = np.split(np.arange(len(key)), np.searchsorted(key, np.arange(1, n_utterances * n_versions)))
        return [groups[u * n_versions : (u + 1) * n_versions] for u in range(n_utterances)]


@dataclass(frozen=True)
class Groups:
    """Corpus, speaker and class of each utterance, as numbers.

    Attributes:
        corpus: ``(U,)``, number of each utterance's corpus.
        speaker: ``(U,)``, number of each utterance's speaker.
        target: ``(U,)``, its class.
    """

    corpus: NDArray[np.int64]
    speaker: NDArray[np.int64]
    target: NDArray[np.int64]


def group_utterances(
    utterances: Sequence[Utterance], labels: Sequence[str], corpora: Sequence[str] | None = None
) -> Groups:
    """Number corpora, speakers and classes of utterances.

    Args:
        utterances: the list.
        labels: the classes, in the order of the logits.
        corpora: name of each utterance's corpus; ``None`` for a single one.
    """
    names = corpora or [""] * len(utterances)
    speakers = [f"{name}:{each.speaker}" for name, each in zip(names, utterances, strict=True)]
    corpus, speaker = (np.unique(each, return_inverse=True)[1] for each in (names, speakers))
    return Groups(corpus, speaker, np.array([labels.index(each.label) for each in utterances]))


@dataclass(frozen=True)
class TrainingSetup:
    """Everything that a training run starts from."""

    network: type[AnyNetwork]
    config: NetworkConfig  # of the network; training replaces the statistics of PCQ's spectrogram
    data: SegmentSet
    targets: NDArray[np.int64]  # (U,), class of each utterance
    train: Sequence[int]  # indices of the utterances to train on
    recipe: Recipe
    device: torch.device
    groups: Groups  # corpus and speaker of each utterance
    teacher_log_probs: NDArray[np.float32] | None = None  # (S, L)
    encoder: Encoder | None = None  # copied where it is trained; None for random weights

    @cached_property
    def allowed_classes(self) -> NDArray[np.bool_]:
        """Which classes each corpus has among the utterances that are trained on, ``(n corpora, L)``."""
        allowed = np.zeros((int(self.groups.corpus.max()) + 1, len(self.config.labels)), bool)
        train = list(self.train)
        allowed[self.groups.corpus[train], self.targets[train]] = True
        return allowed


def draw_batches(setup: TrainingSetup, batch_size: int, rng: np.random.Generator) -> list[NDArray[np.int64]]:
    """Draw a version of every utterance, the recording itself with probability ``p_clean``; shuffle their segments.

    Of several corpora, each has an equal share: the utterances of a small one are drawn several times. A last batch of
    one segment is dropped.
    """
    data, train = setup.data, _balanced(setup, rng)
    versions = rng.integers(0, data.n_augmented + 1, len(train))
    versions[rng.random(len(train)) < setup.recipe.p_clean] = 0
    rows = np.concatenate([data.rows(utterance, version) for utterance, version in zip(train, versions, strict=True)])
    rng.shuffle(rows)
    batches = list(data.batches(batch_size, rows))
    return batches[:-1] if len(batches) > 1 and len(batches[-1]) == 1 else batches


def count_batches(setup: TrainingSetup, batch_size: int) -> int:
    """Return the number of batches in an epoch on the recordings themselves."""
    n_segments = [np.mean([len(setup.data.rows(utterance)) for utterance in members]) for members in _members(setup)]
    return max(1, int(np.mean(n_segments) * len(setup.train) / batch_size))


def _balanced(setup: TrainingSetup, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw as many utterances as are trained on, equally many of each corpus."""
    parts = _members(setup)
    if len(parts) == 1:
        return np.asarray(setup.train)
    share = -(-len(setup.train) // len(parts))
    rounds = (np.concatenate([rng.permutation(part) for _ in range(-(-share // len(part)))]) for part in parts)
    return np.concatenate([part[:share] for part in rounds])


def _members(setup: TrainingSetup) -> list[NDArray[np.int64]]:
    """Return the utterances that are trained on, corpus by corpus."""
    train, corpus = np.asarray(setup.train), setup.groups.corpus
    return [train[corpus[train] == number] for number in np.unique(corpus[train])]
