r"""Which rule from segments to file tells the truth on long recordings: tracks joined from labelled utterances.

    python -m benchmarks.joined_tracks --corpus nemo --corpus urdu --root nemo=nemo --root urdu=urdu \
        --model pcq-mini-emodb --model urdu=pcq-mini --tracks 200 --out joined.json

A track joins utterances of one corpus; the model should not have been trained on it. The true share of a label is its
part of the seconds of speech, so the file's label and probabilities can be compared with the truth. All rules see the
same segments. Utterances by themselves show what a rule costs on short recordings.
"""

from __future__ import annotations

import argparse
import json
import platform
import shlex
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import soundfile
import torch
from numpy.typing import NDArray

import pcqtool
from pcqtool.aggregation import AGGREGATIONS, aggregate
from pcqtool.audio.reader import load_waveform
from pcqtool.audio.segment import SAMPLE_RATE
from pcqtool.audio.vad import VoiceActivityDetector
from pcqtool.audio.vad_network import WINDOW
from pcqtool.corpora.base import Utterance
from pcqtool.corpora.label_map import load_label_map
from pcqtool.corpora.pool import PooledCorpus, open_pool, training_corpora
from pcqtool.corpora.spec import parse_specs
from pcqtool.labels import sort_labels
from pcqtool.model.directory import find, read_config
from pcqtool.tables.schema import probability_columns

Array = NDArray[np.float64]
Wave = NDArray[np.float32]
Rule = Callable[[Array, Array], Array]
"""From log-probabilities ``(n, L)`` and seconds of speech ``(n,)`` of the segments to a file's probabilities."""

PROFILES = ("off", "auto")
KINDS = ("one mood", "two moods", "many moods")
PLAIN = "utterance"
"""The kind of an utterance that is not joined."""

N_UTTERANCES = (2, 40)
PAUSE_S = (0.1, 1.5)
NOISE = 1e-4  # standard deviation of the noise in pauses, −80 dB
LONG_S = 30.0
N_BINS = 10
COLUMNS = ("label", *KINDS, "long", "ece", "cross_entropy", "share_error", "plain")


@dataclass(frozen=True)
class JoinedTrack:
    """A track, or an utterance by itself.

    Attributes:
        file: its name in the folder of the tracks.
        kind: one of ``KINDS``, or ``PLAIN``.
        duration_s: its length, pauses included.
        shares: ``(L,)``, true share of each label in the seconds of speech.
    """

    file: str
    kind: str
    duration_s: float
    shares: tuple[float, ...]


@dataclass(frozen=True)
class SegmentPredictions:
    """A model's predictions for the segments of a track.

    Attributes:
        track: the track.
        log_probs: ``(n, L)``, not normalised if the model knows more labels than the corpus has.
        speech_s: ``(n,)``, seconds of speech of each segment.
    """

    track: JoinedTrack
    log_probs: Array
    speech_s: Array


@lru_cache(maxsize=2000)
def load(utterance: Utterance) -> tuple[Wave, float]:
    """Load an utterance; return its samples and its seconds of speech."""
    wave = load_waveform(utterance.path, utterance.start_s, utterance.end_s, utterance.channel)
    detector = VoiceActivityDetector()
    n_windows = int(detector.push(wave).sum() + detector.flush().sum())
    return wave, n_windows * WINDOW / SAMPLE_RATE


def choose_moods(labels: Sequence[str], kind: str, rng: np.random.Generator) -> list[str]:
    """Return the labels of a track's utterances, in their order."""
    low, high = np.log(N_UTTERANCES)
    n = round(float(np.exp(rng.uniform(low, high))))
    if kind == "one mood":
        return [str(rng.choice(labels))] * n
    if kind == "two moods":
        first, second = map(str, rng.choice(labels, 2, replace=False))
        n_first = min(max(round(n * rng.uniform(0.2, 0.8)), 1), n - 1)
        blocks = [first] * n_first + [second] * (n - n_first)
        return [blocks[k] for k in rng.permutation(n)] if rng.random() < 0.5 else blocks
    chosen = rng.choice(labels, rng.integers(min(3, len(labels)), len(labels) + 1), replace=False)
    return [str(label) for label in rng.choice(chosen, n, p=rng.dirichlet(np.ones(len(chosen))))]


def choose_utterances(
    utterances: Sequence[Utterance], moods: Sequence[str], rng: np.random.Generator
) -> list[Utterance]:
    """Return utterances with these labels: of one speaker who has enough, or else of any, and repeated if need be."""
    by_speaker: defaultdict[str | None, defaultdict[str, list[Utterance]]] = defaultdict(lambda: defaultdict(list))
    everyone: defaultdict[str, list[Utterance]] = defaultdict(list)
    for utterance in utterances:
        everyone[utterance.label].append(utterance)
        by_speaker[utterance.speaker][utterance.label].append(utterance)
    numbers = {label: moods.count(label) for label in sort_labels(moods)}
    able = [
        name
        for name, own in by_speaker.items()
        if name is not None and all(len(own[label]) >= n for label, n in numbers.items())
    ]
    source = by_speaker[able[rng.integers(len(able))]] if able else everyone
    queues = {
        label: rng.choice(len(source[label]), n, replace=n > len(source[label])).tolist()
        for label, n in numbers.items()
    }
    return [source[label][queues[label].pop()] for label in moods]


def join(utterances: Sequence[Utterance], rng: np.random.Generator) -> Wave:
    """Join utterances, with pauses of near silence between them."""
    pieces: list[Wave] = []
    for utterance in utterances:
        if pieces:
            n_pause = round(rng.uniform(*PAUSE_S) * SAMPLE_RATE)
            pieces.append(rng.normal(0.0, NOISE, n_pause).astype(np.float32))
        pieces.append(load(utterance)[0])
    return np.concatenate(pieces)


def true_shares(utterances: Sequence[Utterance], labels: Sequence[str]) -> tuple[float, ...] | None:
    """Return the share of each label in the seconds of speech; None without speech."""
    seconds = dict.fromkeys(labels, 0.0)
    for utterance in utterances:
        seconds[utterance.label] += load(utterance)[1]
    total = sum(seconds.values())
    return tuple(value / total for value in seconds.values()) if total else None


def write_tracks(member: PooledCorpus, n: int, seed: int, folder: Path) -> Iterator[JoinedTrack]:
    """Write tracks of a corpus, the three kinds in turn; which tracks depends on the corpus and the seed alone."""
    rng = np.random.default_rng([seed, *member.name.encode()])
    n_done = 0
    while n_done < n:
        kind = KINDS[n_done % len(KINDS)]
        utterances = choose_utterances(member.utterances, choose_moods(member.labels, kind, rng), rng)
        shares = true_shares(utterances, member.labels)
        if shares is not None:
            yield _write(join(utterances, rng), folder / f"{n_done:05}.wav", kind, shares)
            n_done += 1


def write_utterances(member: PooledCorpus, n: int, seed: int, folder: Path) -> Iterator[JoinedTrack]:
    """Write at most ``n`` random utterances with speech, each by itself."""
    n_done = 0
    for number in np.random.default_rng([seed, *member.name.encode()]).permutation(len(member.utterances)):
        utterance = member.utterances[number]
        shares = true_shares([utterance], member.labels)
        if n_done < n and shares is not None:
            yield _write(load(utterance)[0], folder / f"{n_done:05}.wav", PLAIN, shares)
            n_done += 1


def write_all(
    member: PooledCorpus, n_tracks: int, n_utterances: int, seed: int, folder: Path
) -> dict[Path, list[JoinedTrack]]:
    """Write tracks and utterances; return them by their folders, each of which is labelled as a batch."""
    found = {}
    for name, write, n in (("tracks", write_tracks, n_tracks), ("utterances", write_utterances, n_utterances)):
        (folder / name).mkdir(parents=True)
        found[folder / name] = list(write(member, n, seed, folder / name))
    return {path: tracks for path, tracks in found.items() if tracks}


def predict(
    written: Mapping[Path, Sequence[JoinedTrack]], labels: Sequence[str], model: str, profile: str, **options: Any
) -> list[SegmentPredictions]:
    """Label each folder as a batch; return the predictions for the segments, for labels of the corpus alone.

    Tracks in which the model found no speech are left out.
    """
    found = []
    for folder, tracks in written.items():
        table = pcqtool.label(folder, model=model, profile=profile, channels="mix", **options).segments
        by_file = table.filter(pl.col("confidence").is_not_null()).partition_by("file", as_dict=True)
        for track in tracks:
            if (track.file,) in by_file:
                rows = by_file[track.file,]
                probs = rows.select(probability_columns(labels)).to_numpy().astype(np.float64)
                speech_s = rows["speech"].cast(pl.Float64) * (rows["end_s"] - rows["start_s"])
                with np.errstate(divide="ignore"):
                    found.append(SegmentPredictions(track, np.log(probs), speech_s.to_numpy()))
    return found


def measure(predictions: Sequence[SegmentPredictions], rule: Rule) -> dict[str, float | None]:
    """Compare a rule with the true shares.

    ``label`` is the fraction of tracks whose label has the largest true share; the kinds, ``long`` and ``plain`` are
    that fraction of those of a kind, those longer than 30 s and utterances by themselves, None if there are none.
    ``ece`` is the calibration error of the confidence as the share of the predicted label, ``cross_entropy`` is
    −Σ share · ln P, and ``share_error`` is the mean of |P − share| over labels. Utterances count for ``plain`` alone.
    """
    probs = np.array([rule(each.log_probs, each.speech_s) for each in predictions])
    shares = np.array([each.track.shares for each in predictions])
    kinds = np.array([each.track.kind for each in predictions])
    joined, is_long = kinds != PLAIN, np.array([each.track.duration_s > LONG_S for each in predictions])
    each_row, best = np.arange(len(probs)), probs.argmax(axis=1)
    own_share = shares[each_row, best]
    hit = own_share >= shares.max(axis=1) - 1e-9

    def fraction(chosen: NDArray[np.bool_]) -> float | None:
        return float(hit[chosen].mean()) if chosen.any() else None

    fractions = {"label": joined, **{kind: kinds == kind for kind in KINDS}, "long": joined & is_long}
    tiny = np.finfo(np.float64).tiny
    return {
        **{name: fraction(chosen) for name, chosen in fractions.items()},
        "ece": share_calibration_error(probs[each_row, best][joined], own_share[joined]),
        "cross_entropy": float(-(shares * np.log(np.maximum(probs, tiny)))[joined].sum(axis=1).mean()),
        "share_error": float(np.abs(probs - shares)[joined].mean()),
        "plain": fraction(~joined),
    }


def share_calibration_error(confidence: Array, share: Array) -> float:
    """Return the mean of |mean share − mean confidence| over bins of the confidence, weighted by their tracks."""
    bins = np.clip(np.ceil(confidence * N_BINS).astype(int) - 1, 0, N_BINS - 1)
    return float(np.abs(np.bincount(bins, weights=share - confidence)).sum() / len(confidence))


def table(scores: Mapping[str, Mapping[str, Mapping[str, float | None]]]) -> Iterator[str]:
    """Yield rows of Markdown from scores by profile and rule."""
    yield (
        f"| rule | profile | label is the largest share | {' | '.join(KINDS)} | longer than {LONG_S:.0f} s | ECE | "
        "cross entropy | error of a share | single utterances |"
    )
    yield "| --- | --- |" + " ---: |" * len(COLUMNS)
    for profile, by_rule in scores.items():
        for rule, found in by_rule.items():
            cells = [_cell(name, found[name]) for name in COLUMNS]
            yield f"| {rule} | {profile} | {' | '.join(cells)} |"


def models_of(values: Sequence[str], corpora: Sequence[str]) -> dict[str, str]:
    """Return the model for each corpus, from ``MODEL`` for all and ``CORPUS=MODEL`` for one of them."""
    parts = {value: value.partition("=") for value in values}
    named = {name: model for name, _, model in parts.values() if name in corpora}
    general = [value for value, (name, _, _) in parts.items() if name not in corpora]
    missing = [name for name in corpora if name not in named]
    if len(general) > 1 or (missing and not general):
        raise SystemExit(f"name one --model for all corpora, or CORPUS=MODEL for {', '.join(missing or corpora)}")
    return {name: named.get(name) or general[0] for name in corpora}


def _write(wave: Wave, path: Path, kind: str, shares: tuple[float, ...]) -> JoinedTrack:
    soundfile.write(path, wave, SAMPLE_RATE, "PCM_16")
    return JoinedTrack(path.name, kind, len(wave) / SAMPLE_RATE, shares)


def _cell(name: str, value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.3f}" if name in ("ece", "cross_entropy", "share_error") else f"{value:.1%}"


def _compare(member: PooledCorpus, model: str, options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Write, label and compare the tracks of a corpus; print the table."""
    config = read_config(find(model))
    member = member.restricted_to(config.labels)
    is_unseen = training_corpora(config.provenance).isdisjoint((member.name, member.origin))
    print(f"\n## {member.name}, {config.name}{'' if is_unseen else ', which was trained on it'}\n", flush=True)
    written = write_all(member, options.tracks, options.utterances, options.seed, folder)
    found = {
        profile: predict(written, member.labels, model, profile, encoder_dir=options.encoder_dir)
        for profile in PROFILES
    }
    scores = {
        profile: {rule: measure(predictions, partial(aggregate, rule=rule)) for rule in AGGREGATIONS}
        for profile, predictions in found.items()
    }
    print("\n".join(table(scores)), flush=True)
    return {
        "model": config.name,
        "trained on": config.trained_on,
        "unseen": is_unseen,
        "labels": member.labels,
        "scores": scores,
        "n predicted": {profile: len(predictions) for profile, predictions in found.items()},
        "tracks": [asdict(track) for tracks in written.values() for track in tracks],
    }


def main() -> None:
    """Print a table for each corpus, and write everything as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpus", action="append", required=True)
    parser.add_argument("--root", action="append", default=[])
    parser.add_argument("--map", type=Path)
    parser.add_argument("--model", action="append", required=True, help="MODEL, or CORPUS=MODEL; may be repeated")
    parser.add_argument("--encoder-dir", action="append", type=Path)
    parser.add_argument("--tracks", type=int, default=200, help="of each corpus")
    parser.add_argument("--utterances", type=int, default=400, help="at most, of each corpus")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="keep the tracks in this folder")
    parser.add_argument("--out", type=Path, default=Path("joined.json"))
    options = parser.parse_args()
    pool = open_pool(parse_specs(options.corpus, options.root), load_label_map(options.map))
    models = models_of(options.model, pool.names)
    versions = {"pcqtool": pcqtool.__version__, "python": platform.python_version()}
    versions |= {"numpy": np.__version__, "torch": torch.__version__}
    with ExitStack() as stack:
        folder = options.keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pcqtool-")))
        corpora = {each.name: _compare(each, models[each.name], options, folder / each.name) for each in pool.members}
    command = shlex.join(["python", "-m", "benchmarks.joined_tracks", *sys.argv[1:]])
    result = {"command": command, "seed": options.seed, "versions": versions, "corpora": corpora}
    options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
