"""Segments of a corpus's recordings and of their augmented versions."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from typing import TypeVar

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
from pcqtool.training.blocks import cached_blocks, cut_into_blocks, joined
from pcqtool.training.data import FULL_SCALE, SegmentSet

T = TypeVar("T", bound=np.generic)
R = TypeVar("R")

_REMEDY = "Leave it out of the corpus, or repair it."
_P_TRIMMED = 0.5  # probability that an augmented version is cut without silence
_CACHE_VERSION = 4  # raise it when the same settings and seed give other records
_SEGMENT = np.dtype(
    [("samples", np.int16, SEGMENT_SAMPLES), ("n_samples", np.int64), ("utterance", np.int64), ("version", np.int64)]
)


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

    def versions_of(utterance: Utterance) -> list[list[NDArray[np.int16]]]:
        wave = _load(utterance)
        content = int.from_bytes(_digest(wave)[:16], "big")
        versions = [_pieces(wave, settings.trim_silence)]
        for version in range(1, n_augmented + 1):
            rng = np.random.default_rng([seed, content, version])
            augmented = augment(wave, settings, rng)
            versions.append(_pieces(augmented, settings.trim_silence and rng.random() < _P_TRIMMED))
        return versions

    n, work = len(utterances), "augmented" if n_augmented else "cut into segments"

    def records_of(block: range) -> NDArray[np.void]:
        report = _counter(on_progress, n, f"recordings {work}", block.start)
        return _join_versions(_for_each(versions_of, utterances[block.start : block.stop], n_jobs, report))

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
        return _pieces(wave, trim_silence=True), len(wave)

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


def _pieces(wave: NDArray[np.float32], trim_silence: bool) -> list[NDArray[np.int16]]:
    """Cut a recording into segments: as labelling does, unless there is no speech in it, or with all silence."""
    return [_to_16_bit(piece) for piece in (trim_silence and _cut_speech(wave)) or _cut(wave)]


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
    rounded: NDArray[np.int16] = np.rint(wave * FULL_SCALE).clip(-32768, 32767).astype(np.int16)
    return rounded


def _cut(wave: NDArray[T]) -> list[NDArray[T]]:
    """Cut a wave into segments; the last one may be shorter."""
    return [wave[start : start + SEGMENT_SAMPLES] for start in range(0, len(wave), SEGMENT_SAMPLES)]


def _join_versions(utterances: Sequence[Sequence[Sequence[NDArray[np.int16]]]]) -> NDArray[np.void]:
    """Put the segments of every version of every utterance one below the other."""
    return _as_records(
        [
            (utterance, version, piece)
            for utterance, versions in enumerate(utterances)
            for version, pieces in enumerate(versions)
            for piece in pieces
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
