"""``label``, ``evaluate`` and ``corpora validate`` choose the same channels of a recording."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import soundfile

SPEECH = Path(__file__).parents[2] / "examples" / "recordings" / "verspaetung.wav"
NOTE = "mixing the channels would cancel them; channel 0 is used"


@pytest.fixture
def corpus(tmp_path):
    """Speech in one channel, with its inverse in another, in pairs of both, and digital silence."""
    speech, rate = soundfile.read(SPEECH, dtype="float32")
    sounds = {
        "mono": speech,
        "inverted": np.stack((speech, -speech), 1),
        "pairs": np.stack((speech, -speech) * 2, 1),
        "zeros": 0 * speech,
    }
    folder = tmp_path / "corpus"
    folder.mkdir()
    for name, wave in sounds.items():
        soundfile.write(folder / f"{name}.wav", wave, rate)
    rows = ["mono.wav,anger,a", "inverted.wav,neutral,b", "pairs.wav,sadness,c", "zeros.wav,anger,d"]
    (folder / "metadata.csv").write_text("\n".join(["file_name,label,speaker", *rows]))
    return folder


def probabilities(path):
    table = pl.read_parquet(path)
    columns = [name for name in table.columns if name.startswith("prob_")]
    return dict(zip(table["file"], table.select(columns).rows(), strict=True)), dict(
        zip(table["file"], table["note"], strict=True)
    )


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["auto", "mix"])
def test_labelling_uses_a_live_channel_and_notes_it(pcqtool, corpus, tmp_path, tiny_model, mode):
    done = pcqtool("label", str(corpus), "--channels", mode, "--out", "r.parquet", "--model", str(tiny_model))
    assert done.returncode == 0, done.stderr
    found, notes = probabilities(tmp_path / "r.parquet")
    assert found["inverted.wav"] == found["pairs.wav"] == found["mono.wav"]
    assert notes == {"inverted.wav": NOTE, "mono.wav": None, "pairs.wav": NOTE, "zeros.wav": None}
    table = pl.read_parquet(tmp_path / "r.parquet")
    statuses = dict(zip(table["file"], table["status"].cast(str), strict=True))
    assert statuses == dict.fromkeys(("inverted.wav", "mono.wav", "pairs.wav"), "ok") | {"zeros.wav": "no_speech"}
    assert table["channel"].cast(str).to_list() == ["0"] * 4


@pytest.mark.slow
def test_features_are_those_of_the_channel_used(pcqtool, corpus, tmp_path):
    command = [
        "extract",
        str(corpus),
        "--of",
        "spectrogram",
        "--what",
        "statistics",
        "--channels",
        "mix",
        "--vad",
        "off",
    ]
    done = pcqtool(*command, "--out", "f.parquet")
    assert done.returncode == 0, done.stderr
    table = pl.read_parquet(tmp_path / "f.parquet")
    means = dict(zip(table["file"], table["spectrogram_mean"].to_list(), strict=True))
    assert means["inverted.wav"] == means["pairs.wav"] == means["mono.wav"] != means["zeros.wav"]
    assert table["note"].to_list() == [NOTE, None, NOTE, None]


@pytest.mark.slow
def test_an_evaluation_uses_the_channels_that_labelling_uses(pcqtool, corpus, tmp_path, tiny_model):
    usual = ["--corpus", "manifest", "--root", str(corpus), "--model", str(tiny_model), "--out", "e"]
    done = pcqtool("evaluate", *usual)
    assert done.returncode == 0, done.stderr
    found, notes = probabilities(tmp_path / "e" / "predictions.parquet")
    assert found["inverted.wav"] == found["pairs.wav"] == found["mono.wav"] != found["zeros.wav"]
    assert notes == {"inverted.wav": NOTE, "mono.wav": None, "pairs.wav": NOTE, "zeros.wav": None}


def test_a_check_names_silence_and_notes_what_would_cancel(pcqtool, corpus):
    done = pcqtool("corpora", "validate", "manifest", "--root", str(corpus), "--json")
    assert done.returncode == 3
    found = json.loads(done.stdout)
    unreadable = [fault for fault in found["faults"] if fault["kind"] == "unreadable"]
    assert unreadable == [{"kind": "unreadable", "file": "zeros.wav", "what": "contains nothing but silence"}]
    assert f"inverted.wav and 1 more: {NOTE}" in found["notes"]
