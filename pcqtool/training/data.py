"""A corpus as segments in memory, with further views of each recording."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from pcqtool.audio.channel_segmenter import MIN_SPEECH, ChannelSegmenter
from pcqtool.audio.reader import load_waveform
from pcqtool.audio.segment import SEGMENT_SAMPLES
from pcqtool.corpora.base import Utterance
from pcqtool.errors import AudioError, CacheError, CorpusError
from pcqtool.training.augmentation import Augmentations, augment
from pcqtool.training.cache import cache_folder, caching, hold, is_whole

T = TypeVar("T", bound=np.generic)

_REMEDY = "Leave it out of the corpus, or mend it."
_FULL_SCALE = 32768.0  # 16-bit recordings at 16 kHz come back bit for bit
_VIEWS = 1  # to be raised when the same settings and seed give other views
_SEGMENT = np.dtype(
    [("samples", np.int16, SEGMENT_SAMPLES), ("n_samples", np.int64), ("utterance", np.int64), ("view", np.int64)]
)


@dataclass(frozen=True)
class SegmentSet:
    """S segments, sorted by utterance, then view, then time; view 0 of an utterance is the recording itself.

    Attributes:
        samples: ``(S, 48000)`` 16-bit, padded with zeros at the end; a recording with more bits is rounded.
        n_samples: ``(S,)`` samples before the padding.
        utterance: ``(S,)`` index into the corpus's list.
        view: ``(S,)`` number of the view.
        states: ``(S, n, T, D)`` in half precision, the n hidden states that a frozen encoder makes of each segment, if
            they are kept.
        spectra: ``(S, 1, H, W)`` in half precision, the segments' spectrograms in dB with frames and bins averaged as
            the network does, if they are kept.
        recorded: ``(U,)``, samples of each recording, where silence has been cut off or passed over.
        offsets: ``(U, n, D)``, to be taken off the hidden states of each utterance, where they are adapted to speakers.
    """

    samples: NDArray[np.int16]
    n_samples: NDArray[np.int64]
    utterance: NDArray[np.int64]
    view: NDArray[np.int64]
    states: NDArray[np.float16] | None = None
    spectra: NDArray[np.float16] | None = None
    recorded: NDArray[np.int64] | None = None
    offsets: NDArray[np.float32] | None = None

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the samples, in hexadecimal."""
        digest = hashlib.sha256()
        for segment in self.samples:
            digest.update(segment.data)
        return digest.hexdigest()

    def waves(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Give segments as the model takes them, ``(len(rows), 48000)``."""
        return self.samples[rows].astype(np.float32) / np.float32(_FULL_SCALE)

    def rows(self, utterance: int, view: int = 0) -> NDArray[np.int64]:
        """Give the rows of one view of an utterance, in order."""
        return self._rows[utterance][view]

    def length(self, utterance: int) -> int:
        """Give the samples of a recording, be they heard or not."""
        return int(self.n_samples[self.rows(utterance)].sum() if self.recorded is None else self.recorded[utterance])

    @property
    def n_augmented(self) -> int:
        """Views of each utterance besides the recording itself."""
        return int(self.view.max())

    @cached_property
    def _rows(self) -> list[list[NDArray[np.int64]]]:
        n_utterances, n_augmented = int(self.utterance.max()) + 1, self.n_augmented + 1
        key = self.utterance * n_augmented + self.view
        groups = np.split(np.arange(len(key)), np.searchsorted(key, np.arange(1, n_utterances * n_augmented)))
        return [groups[u * n_augmented : (u + 1) * n_augmented] for u in range(n_utterances)]


def draw_batches(
    data: SegmentSet, train: Sequence[int], own: float, batch_size: int, rng: np.random.Generator
) -> list[NDArray[np.int64]]:
    """Draw a view of every utterance, the recording itself for the share ``own``, and shuffle their segments.

    A last batch of one segment is left out.
    """
    views = rng.integers(0, data.n_augmented + 1, len(train))
    views[rng.random(len(train)) < own] = 0
    rows = np.concatenate([data.rows(utterance, view) for utterance, view in zip(train, views, strict=True)])
    rng.shuffle(rows)
    return [rows[i : i + batch_size] for i in range(0, max(len(rows) - 1, 1), batch_size)]


def count_batches(data: SegmentSet, train: Sequence[int], batch_size: int) -> int:
    """Count the batches of an epoch in which every utterance is seen as it was recorded."""
    return max(1, sum(len(data.rows(utterance)) for utterance in train) // batch_size)


def build_segments(
    utterances: Sequence[Utterance],
    n_augmented: int,
    settings: Augmentations,
    seed: int,
    n_jobs: int,
    keep: bool = False,
) -> SegmentSet:
    """Read a corpus, draw views of each utterance and cut all into segments.

    A view depends on the seed, the utterance's place in the list and the view's number alone.

    Args:
        utterances: the corpus's list.
        n_augmented: of each utterance, besides the recording itself.
        settings: of the views.
        seed: of the views.
        n_jobs: recordings read at the same time.
        keep: look for the segments in the cache, and leave them there, if it can be written to.

    Raises:
        CorpusError: if a recording cannot be read, or is empty.
        CacheError: if neither the cache nor the machine's memory has room for them.
    """
    from joblib import Parallel, delayed

    def views_of(number: int) -> list[NDArray[np.int16]]:
        wave = _load(utterances[number])
        views = (augment(wave, settings, np.random.default_rng([seed, number, v])) for v in range(1, n_augmented + 1))
        return [_to_16_bit(view) for view in (wave, *views)]

    def hash_of(number: int) -> bytes:
        return hashlib.sha256(_load(utterances[number]).data).digest()

    parallel = Parallel(n_jobs=n_jobs, backend="threading")
    numbers = range(len(utterances))
    if not keep:
        return _as_set(_cut_views(parallel(delayed(views_of)(number) for number in numbers)))
    digest = hashlib.sha256(json.dumps([_VIEWS, n_augmented, asdict(settings), seed]).encode())
    for part in parallel(delayed(hash_of)(number) for number in numbers):
        digest.update(part)
    path = cache_folder() / "segments" / f"{digest.hexdigest()[:32]}.npy"
    if not is_whole(path):
        records = _cut_views(parallel(delayed(views_of)(number) for number in numbers))
        try:
            with caching(path, records.nbytes) as file:
                np.save(file, records, allow_pickle=False)
        except CacheError as fault:
            hold(fault, records.nbytes)
            return _as_set(records)
    return _as_set(np.load(path, mmap_mode="r", allow_pickle=False))


def build_spoken(utterances: Sequence[Utterance], n_jobs: int) -> SegmentSet:
    """Read recordings to be judged, without views, and hear them as labelling does.

    Silence at the edges of segments is cut off, segments with too little speech are left out. A recording in which no
    speech is found is heard as it is: it is to be judged all the same.

    Args:
        utterances: the corpus's list.
        n_jobs: recordings read at the same time.

    Raises:
        CorpusError: if a recording cannot be read, or is empty.
    """
    from joblib import Parallel, delayed

    def spoken(number: int) -> tuple[list[NDArray[np.int16]], int]:
        wave = _load(utterances[number])
        return [_to_16_bit(piece) for piece in _spoken(wave) or _cut(wave)], len(wave)

    parallel = Parallel(n_jobs=n_jobs, backend="threading")
    heard = parallel(delayed(spoken)(number) for number in range(len(utterances)))
    records = _as_records([(number, 0, piece) for number, (pieces, _) in enumerate(heard) for piece in pieces])
    return replace(_as_set(records), recorded=np.array([n for _, n in heard], np.int64))


def _spoken(wave: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """Cut a recording into segments, and silence off their edges."""
    lane = ChannelSegmenter("0", SEGMENT_SAMPLES, vad=True)
    pieces = []
    for chunk in (*lane.push(wave), *lane.flush()):
        if chunk.speech_fraction is not None and chunk.speech_span is not None:
            enough = chunk.speech_fraction >= MIN_SPEECH
            pieces += [row[a:b] for row, (a, b) in zip(chunk.waves[enough], chunk.speech_span[enough], strict=True)]
    return pieces


def _to_16_bit(wave: NDArray[np.float32]) -> NDArray[np.int16]:
    rounded: NDArray[np.int16] = np.rint(wave * _FULL_SCALE).clip(-32768, 32767).astype(np.int16)
    return rounded


def _cut(wave: NDArray[T]) -> list[NDArray[T]]:
    """Cut a wave into pieces as long as a segment, the last of which may be shorter."""
    return [wave[start : start + SEGMENT_SAMPLES] for start in range(0, len(wave), SEGMENT_SAMPLES)]


def _cut_views(utterances: Sequence[Sequence[NDArray[np.int16]]]) -> NDArray[np.void]:
    """Cut every view of every utterance into segments."""
    return _as_records(
        [
            (utterance, view, piece)
            for utterance, views in enumerate(utterances)
            for view, wave in enumerate(views)
            for piece in _cut(wave)
        ]
    )


def _as_records(pieces: Sequence[tuple[int, int, NDArray[np.int16]]]) -> NDArray[np.void]:
    """Make a record ``_SEGMENT`` of each piece of a view of an utterance."""
    segments = np.zeros(len(pieces), _SEGMENT)
    for segment, (utterance, view, piece) in zip(segments, pieces, strict=True):
        segment["samples"][: len(piece)] = piece
        segment["n_samples"], segment["utterance"], segment["view"] = len(piece), utterance, view
    return segments


def _as_set(segments: NDArray[np.void]) -> SegmentSet:
    n_samples, utterance, view = (segments[name].copy() for name in ("n_samples", "utterance", "view"))
    return SegmentSet(segments["samples"], n_samples, utterance, view)


def _load(utterance: Utterance) -> NDArray[np.float32]:
    try:
        wave = load_waveform(utterance.path, utterance.start_s, utterance.end_s, utterance.channel)
    except AudioError as error:
        raise CorpusError(error.what, _REMEDY) from error
    if not len(wave):
        raise CorpusError(f"{utterance.path}: no audio in it", _REMEDY)
    return wave
