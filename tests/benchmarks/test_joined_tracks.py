from __future__ import annotations

import csv
import json
import math
import shutil
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile

from benchmarks import joined_tracks
from benchmarks.joined_tracks import JoinedTrack, SegmentPredictions
from pcqtool.aggregation import AGGREGATIONS
from pcqtool.audio.segment import SAMPLE_RATE
from pcqtool.corpora.base import Utterance
from pcqtool.corpora.label_map import load_label_map
from pcqtool.corpora.pool import open_pool
from pcqtool.corpora.spec import parse_specs

ROOT = Path(__file__).parents[2]
LABELS = ("anger", "neutral", "sadness")


@pytest.fixture
def all_is_speech(monkeypatch):
    """The toy corpus hums, which is no speech to a detector."""

    class Detector:
        def push(self, wave):
            return np.ones(len(wave) // joined_tracks.WINDOW, bool)

        def flush(self):
            return np.zeros(0, bool)

    monkeypatch.setattr(joined_tracks, "VoiceActivityDetector", Detector)
    joined_tracks.load.cache_clear()
    yield
    joined_tracks.load.cache_clear()


@pytest.fixture
def member(toy_root):
    """The toy corpus: 4 speakers, each with 3 utterances of each of 3 labels."""
    return open_pool(parse_specs(["toy=manifest"], [f"toy={toy_root}"]), load_label_map(None)).members[0]


@pytest.mark.parametrize(("kind", "least", "most"), [("one mood", 1, 1), ("two moods", 2, 2), ("many moods", 1, 3)])
def test_a_kind_has_so_many_moods(kind, least, most):
    moods = [joined_tracks.choose_moods(LABELS, kind, np.random.default_rng(seed)) for seed in range(200)]
    assert all(least <= len(set(each)) <= most for each in moods)
    assert {label for each in moods for label in each} == set(LABELS)
    sizes = sorted(map(len, moods))
    assert 2 <= sizes[0] <= 3
    assert 30 <= sizes[-1] <= 40
    assert 6 <= sizes[100] <= 12  # the median of a log-uniform number is √(2·40)


def test_two_moods_come_in_blocks_or_mixed():
    moods = [joined_tracks.choose_moods(LABELS, "two moods", np.random.default_rng(seed)) for seed in range(100)]
    n_changes = [sum(a != b for a, b in pairwise(each)) for each in moods]
    assert min(n_changes) == 1
    assert 20 <= n_changes.count(1) <= 80


def test_utterances_are_of_one_speaker_who_has_enough(member):
    chosen = joined_tracks.choose_utterances(member.utterances, ["anger", "sadness", "anger"], np.random.default_rng(0))
    assert [each.label for each in chosen] == ["anger", "sadness", "anger"]
    assert len({each.speaker for each in chosen}) == 1
    assert len(set(chosen)) == 3


def test_utterances_are_of_any_speaker_if_nobody_has_enough(member):
    chosen = joined_tracks.choose_utterances(member.utterances, ["anger"] * 12, np.random.default_rng(0))
    assert len(set(chosen)) == 12
    assert len({each.speaker for each in chosen}) == 4
    chosen = joined_tracks.choose_utterances(member.utterances, ["anger"] * 13, np.random.default_rng(0))
    assert len(set(chosen)) <= 12


def test_pauses_are_nearly_silent_and_within_bounds(member):
    utterances = member.utterances[:3]
    waves = [joined_tracks.load(each)[0] for each in utterances]
    joined = joined_tracks.join(utterances, np.random.default_rng(0))
    n_pauses = len(joined) - sum(map(len, waves))
    assert 2 * 0.1 <= n_pauses / SAMPLE_RATE <= 2 * 1.5
    assert (joined[: len(waves[0])] == waves[0]).all()
    assert (joined[-len(waves[2]) :] == waves[2]).all()
    pause = joined[len(waves[0]) : len(waves[0]) + round(0.1 * SAMPLE_RATE)]
    assert 0 < np.abs(pause).max() < 1e-3


def test_shares_are_of_speech(monkeypatch, tmp_path):
    speech_s = {"a": 3.0, "b": 1.0, "silent": 0.0}
    monkeypatch.setattr(joined_tracks, "load", lambda each: (np.zeros(99, np.float32), speech_s[each.path.name]))
    a, b, silent = (Utterance(tmp_path / name, label) for name, label in zip(speech_s, LABELS, strict=True))
    assert joined_tracks.true_shares([a, b, silent], LABELS) == (0.75, 0.25, 0.0)
    assert joined_tracks.true_shares([silent], LABELS) is None


def test_tracks_depend_on_the_seed_alone(member, tmp_path, all_is_speech):
    found = []
    for folder, seed in (("one", 0), ("again", 0), ("other", 1)):
        (tmp_path / folder).mkdir()
        found.append(list(joined_tracks.write_tracks(member, 6, seed, tmp_path / folder)))
    assert found[0] == found[1] != found[2]
    assert (tmp_path / "one/00003.wav").read_bytes() == (tmp_path / "again/00003.wav").read_bytes()
    assert Counter(each.kind for each in found[0]) == dict.fromkeys(joined_tracks.KINDS, 2)
    for each in found[0]:
        assert soundfile.info(tmp_path / "one" / each.file).duration == each.duration_s
        assert sum(each.shares) == pytest.approx(1.0)


def _prediction(kind, shares, probs, duration_s=10.0):
    return SegmentPredictions(JoinedTrack("x", kind, duration_s, shares), np.log([probs]), np.ones(1))


def test_a_rule_is_compared_with_the_shares():
    predictions = [
        _prediction("one mood", (1.0, 0.0), (0.8, 0.2)),
        _prediction("two moods", (0.5, 0.5), (0.3, 0.7), 40.0),
        _prediction("many moods", (0.25, 0.75), (0.8, 0.2), 50.0),
        _prediction("utterance", (0.0, 1.0), (0.1, 0.9), 60.0),
    ]
    found = joined_tracks.measure(predictions, lambda log_probs, _: np.exp(log_probs[0]))
    assert list(found) == list(joined_tracks.COLUMNS)
    assert found["label"] == pytest.approx(2 / 3)
    assert (found["one mood"], found["two moods"], found["many moods"]) == (1.0, 1.0, 0.0)
    assert found["long"] == 0.5
    assert found["plain"] == 1.0
    assert found["ece"] == pytest.approx((abs(1.0 + 0.25 - 1.6) + 0.2) / 3)
    logs = math.log(0.8), 0.5 * math.log(0.3 * 0.7), 0.25 * math.log(0.8) + 0.75 * math.log(0.2)
    assert found["cross_entropy"] == pytest.approx(-sum(logs) / 3)
    assert found["share_error"] == pytest.approx((0.2 + 0.2 + 0.55) / 3)


def test_a_kind_without_tracks_has_no_score():
    found = joined_tracks.measure([_prediction("one mood", (1.0, 0.0), (0.8, 0.2))], lambda rows, _: np.exp(rows[0]))
    assert found["two moods"] is found["long"] is found["plain"] is None
    assert list(joined_tracks.table({"off": {"mean": found}}))[-1].endswith("| 0.200 | 0.223 | 0.200 | – |")


def test_each_corpus_has_its_model():
    corpora = ("one", "two")
    assert joined_tracks.models_of(["m", "two=n"], corpora) == {"one": "m", "two": "n"}
    assert joined_tracks.models_of(["one=a=b", "two=n"], corpora) == {"one": "a=b", "two": "n"}
    assert joined_tracks.models_of(["odd=name"], corpora) == {"one": "odd=name", "two": "odd=name"}
    for values in ([], ["one=m"], ["m", "n"]):
        with pytest.raises(SystemExit, match="CORPUS=MODEL"):
            joined_tracks.models_of(values, corpora)


@pytest.fixture
def spoken_root(tmp_path):
    """A corpus of speech, with a label that the model does not know."""
    rows = [("greeting.wav", "anger", "s0"), ("verspaetung.wav", "sadness", "s0"), ("voicemail.mp3", "boredom", "s1")]
    folder = tmp_path / "spoken"
    folder.mkdir()
    for name, _, _ in rows:
        shutil.copy(ROOT / "examples" / "recordings" / name, folder)
    with (folder / "metadata.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("file_name", "label", "speaker"), *rows])
    return folder


def test_every_rule_is_compared_for_both_profiles(spoken_root, tiny_model, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(joined_tracks, "N_UTTERANCES", (2, 4))
    options = ["--corpus", "spoken=manifest", "--root", str(spoken_root), "--model", str(tiny_model), "--tracks", "3"]
    options += ["--seed", "5", "--keep", str(tmp_path / "kept"), "--out", str(tmp_path / "joined.json")]
    monkeypatch.setattr(sys, "argv", ["joined_tracks", *options])
    joined_tracks.main()
    result = json.loads((tmp_path / "joined.json").read_text("utf-8"))
    assert result["seed"] == 5
    assert "--tracks 3" in result["command"]
    found = result["corpora"]["spoken"]
    assert found["labels"] == ["anger", "sadness"]
    assert found["n predicted"] == {"off": 5, "auto": 5}
    assert [each["kind"] for each in found["tracks"]] == [*joined_tracks.KINDS, "utterance", "utterance"]
    assert len(list((tmp_path / "kept" / "spoken" / "tracks").iterdir())) == 3
    for profile in joined_tracks.PROFILES:
        assert list(found["scores"][profile]) == list(AGGREGATIONS)
    for scores in found["scores"]["off"].values():
        assert scores["one mood"] in (0.0, 1.0)
        assert 0 <= scores["ece"] <= 1
        assert scores["cross_entropy"] > 0
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.startswith(f"| {rule} |") for rule in AGGREGATIONS for line in lines) == 2 * len(AGGREGATIONS)
    assert len({line.count("|") for line in lines if line.startswith("|")}) == 1
