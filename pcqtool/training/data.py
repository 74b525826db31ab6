"""A corpus as segments in memory, with augmented versions of each recording."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from pcqtool.audio.channel_segmenter import MIN_SPEECH, ChannelSegmenter
from pcqtool.audio.reader import load_waveform
from pcqtool.audio.segment import SEGMENT_SAMPLES
from pcqtool.corpora.base import Utterance
from pcqtool.errors import AudioError, CorpusError
from pcqtool.fingerprint import fingerprint
from pcqtool.progress import OnProgress, Progress, ignore
from pcqtool.training.augmentation import Augmentations, augment
from pcqtool.training.blocks import Rows, cached_blocks, cut_into_blocks, joined

if TYPE_CHECKING:
    import torch

    from pcqtool.model.encoders import Encoder
    from pcqtool.model.pcq import PCQConfig
    from pcqtool.training.recipe import Recipe

T = TypeVar("T", bound=np.generic)
R = TypeVar("R")

_REMEDY = "Leave it out of the corpus, or repair it."
_FULL_SCALE = 32768.0  # 16-bit recordings at 16 kHz keep every bit
_HASHED_AT_ONCE = 64  # segments
_CACHE_VERSION = 3  # raise it when the same settings and seed give other records
_SEGMENT = np.dtype(
    [("samples", np.int16, SEGMENT_SAMPLES), ("n_samples", np.int64), ("utterance", np.int64), ("version", np.int64)]
)


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
        return self.samples[rows].astype(np.float32) / np.float32(_FULL_SCALE)

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

    config: PCQConfig  # the network; training replaces the statistics of its spectrogram
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


def build_segments(
    utterances: Sequence[Utterance],
    n_augmented: int,
    settings: Augmentations,
    seed: int,
    n_jobs: int,
    cache: bool = False,
    on_progress: OnProgress = ignore,
) -> SegmentSet:
    """Read a corpus, draw augmented versions of each utterance and cut them into segments.

    A version depends only on the seed, the utterance's samples and the version's number, not on other utterances.

    Args:
        utterances: the corpus's list.
        n_augmented: versions of each utterance, besides the recording itself.
        settings: of the augmentation.
        seed: of the augmentation.
        n_jobs: number of recordings that are read in parallel.
        cache: take the segments from the cache, or write them to it block by block where that is possible.
        on_progress: called after every recording that has been read or augmented.

    Raises:
        CorpusError: if a recording cannot be read, or is empty.
        CacheError: if the segments fit neither into the cache nor into memory.
    """

    def versions_of(utterance: Utterance) -> list[NDArray[np.int16]]:
        wave = _load(utterance)
        content = int.from_bytes(_digest(wave)[:16], "big")
        generators = (np.random.default_rng([seed, content, version]) for version in range(1, n_augmented + 1))
        return [_to_16_bit(each) for each in (wave, *(augment(wave, settings, rng) for rng in generators))]

    n, work = len(utterances), "augmented" if n_augmented else "cut into segments"

    def records_of(block: range) -> NDArray[np.void]:
        report = _counter(on_progress, n, f"recordings {work}", block.start)
        return _cut_versions(_for_each(versions_of, utterances[block.start : block.stop], n_jobs, report))

    if not cache:
        return _as_set([records_of(range(n))])
    report = _counter(on_progress, n, "recordings read")
    digests = _for_each(lambda utterance: _digest(_load(utterance)), utterances, n_jobs, report)
    blocks = cut_into_blocks(digests)
    inputs = [_CACHE_VERSION, n_augmented, asdict(settings), seed]
    keys = [fingerprint([inputs, b"".join(digests[block.start : block.stop]).hex()], 32) for block in blocks]

    def build(number: int) -> tuple[int, Iterator[NDArray[np.void]]]:
        records = records_of(blocks[number])
        return len(records), iter([records])

    return _as_set(cached_blocks("segments", keys, [len(block) for block in blocks], build))


def build_speech_segments(utterances: Sequence[Utterance], n_jobs: int, on_progress: OnProgress = ignore) -> SegmentSet:
    """Read the recordings of a test corpus and segment them as labelling does, with voice activity detection.

    Silence at the edges of segments is trimmed, and segments with too little speech are dropped. A recording without
    speech is used in full: it needs a prediction too.

    Args:
        utterances: the corpus's list.
        n_jobs: number of recordings that are read in parallel.
        on_progress: called after every recording.

    Raises:
        CorpusError: if a recording cannot be read, or is empty.
    """

    def segments_of(utterance: Utterance) -> tuple[list[NDArray[np.int16]], int]:
        wave = _load(utterance)
        return [_to_16_bit(piece) for piece in _cut_speech(wave) or _cut(wave)], len(wave)

    report = _counter(on_progress, len(utterances), "test recordings segmented")
    recordings = _for_each(segments_of, utterances, n_jobs, report)
    pieces = [(number, 0, piece) for number, (segments, _) in enumerate(recordings) for piece in segments]
    return replace(_as_set([_as_records(pieces)]), recording_lengths=np.array([n for _, n in recordings], np.int64))


def _for_each(
    function: Callable[[Utterance], R], utterances: Sequence[Utterance], n_jobs: int, report: Callable[[int], None]
) -> list[R]:
    """Apply a function to utterances in parallel threads; report the number that are done."""
    from joblib import Parallel, delayed

    report(0)
    results = []
    parallel = Parallel(n_jobs=n_jobs, backend="threading", return_as="generator")
    for result in parallel(delayed(function)(utterance) for utterance in utterances):
        results.append(result)
        report(len(results))
    return results


def _counter(on_progress: OnProgress, total: int, unit: str, start: int = 0) -> Callable[[int], None]:
    """Return a function that reports a number of finished recordings, besides those before ``start``."""
    return lambda done: on_progress(Progress(start + done, total, unit))


def _digest(wave: NDArray[np.float32]) -> bytes:
    return hashlib.sha256(wave.data).digest()


def _cut_speech(wave: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """Cut a recording into segments with speech, and trim silence at their edges."""
    segmenter = ChannelSegmenter("0", SEGMENT_SAMPLES, vad=True)
    pieces = []
    for chunk in (*segmenter.push(wave), *segmenter.flush()):
        if chunk.speech_fraction is not None and chunk.speech_span is not None:
            enough = chunk.speech_fraction >= MIN_SPEECH
            pieces += [row[a:b] for row, (a, b) in zip(chunk.waves[enough], chunk.speech_span[enough], strict=True)]
    return pieces


def _to_16_bit(wave: NDArray[np.float32]) -> NDArray[np.int16]:
    rounded: NDArray[np.int16] = np.rint(wave * _FULL_SCALE).clip(-32768, 32767).astype(np.int16)
    return rounded


def _cut(wave: NDArray[T]) -> list[NDArray[T]]:
    """Cut a wave into segments; the last one may be shorter."""
    return [wave[start : start + SEGMENT_SAMPLES] for start in range(0, len(wave), SEGMENT_SAMPLES)]


def _cut_versions(utterances: Sequence[Sequence[NDArray[np.int16]]]) -> NDArray[np.void]:
    """Cut every version of every utterance into segments."""
    return _as_records(
        [
            (utterance, version, piece)
            for utterance, versions in enumerate(utterances)
            for version, wave in enumerate(versions)
            for piece in _cut(wave)
        ]
    )


def _as_records(pieces: Sequence[tuple[int, int, NDArray[np.int16]]]) -> NDArray[np.void]:
    """Build an array of ``_SEGMENT`` records from (utterance, version, samples)."""
    segments = np.zeros(len(pieces), _SEGMENT)
    for segment, (utterance, version, piece) in zip(segments, pieces, strict=True):
        segment["samples"][: len(piece)] = piece
        segment["n_samples"], segment["utterance"], segment["version"] = len(piece), utterance, version
    return segments


def _as_set(blocks: Sequence[NDArray[np.void]]) -> SegmentSet:
    """Join blocks of ``_SEGMENT`` records, whose utterances are numbered from 0 in each block."""
    n_utterances = [int(block["utterance"].max()) + 1 for block in blocks]
    starts = np.cumsum([0, *n_utterances[:-1]])
    n_samples, version = (np.concatenate([block[name] for block in blocks]) for name in ("n_samples", "version"))
    utterance = np.concatenate([block["utterance"] + start for block, start in zip(blocks, starts, strict=True)])
    return SegmentSet(joined([block["samples"] for block in blocks]), n_samples, utterance, version)


def _load(utterance: Utterance) -> NDArray[np.float32]:
    try:
        wave = load_waveform(utterance.path, utterance.start_s, utterance.end_s, utterance.channel)
    except AudioError as error:
        raise CorpusError(error.what, _REMEDY) from error
    if not len(wave):
        raise CorpusError(f"{utterance.path}: no audio in it", _REMEDY)
    return wave
