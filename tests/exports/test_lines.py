"""Audacity, RTTM and Raven: the same times and labels, read by other programs' readers or by their own rules."""

from __future__ import annotations

import csv

import pytest
from pyannote.database.util import load_rttm

import pcqtool
from pcqtool.audio.turns import read_turns
from pcqtool.exports.lines import RAVEN_COLUMNS
from pcqtool.exports.names import OutputNames
from pcqtool.exports.text import one_word
from tests.exports.examples import by_channel, spans

KINDS = ("events", "segments")


def ms(seconds: float | str) -> int:
    return round(float(seconds) * 1000)


@pytest.mark.parametrize("what", KINDS)
def test_audacity_labels(results, tmp_path, what):
    exported = pcqtool.export(results, "audacity", tmp_path / "out", what=what)
    expected = by_channel(spans(what), ": ")
    assert len(exported.paths) == len(expected)
    for path, own in zip(exported.paths, expected.values(), strict=True):
        lines = path.read_text("utf-8").split("\n")[:-1]
        rows = [line.split("\t") for line in lines]
        assert [(ms(start), ms(end), label) for start, end, label in rows] == own


@pytest.mark.parametrize("what", KINDS)
def test_rttm_is_read_by_pyannote(results, tmp_path, what):
    (path,) = pcqtool.export(results, "rttm", tmp_path / "x.rttm", what=what).paths
    names = OutputNames(results.files["file"], one_word)
    expected: dict[str, list[tuple[int, int, str]]] = {}
    for (file, _, speaker), own in spans(what).items():
        before = f"{speaker}:" if speaker else ""
        expected.setdefault(names.stem(file), []).extend(
            (start, end, one_word(before + label)) for start, end, label in own
        )
    found = {
        name: sorted(
            (ms(span.start), ms(span.end), label) for span, _, label in annotation.itertracks(yield_label=True)
        )
        for name, annotation in load_rttm(path).items()
    }
    assert found == {name: sorted(own) for name, own in expected.items() if own}
    fields = [line.split(" ") for line in path.read_text("utf-8").split("\n")[:-1]]
    assert {len(each) for each in fields} == {10}
    assert {each[2] for each in fields if each[1] == "call"} == {"1", "2"}
    assert read_turns(path).of("call.wav")


@pytest.mark.parametrize("what", KINDS)
def test_raven_selections(results, tmp_path, what):
    exported = pcqtool.export(results, "raven", tmp_path / "out", what=what)
    by_file: dict[str, list[tuple[int, int, str, str, str]]] = {}
    for (file, channel, speaker), own in spans(what).items():
        number = str(int(channel) + 1 if channel.isdecimal() else 1)
        who = " ".join((speaker or "").split())
        by_file.setdefault(file, []).extend((start, end, number, label, who) for start, end, label in own)
    for path, own in zip(exported.paths, by_file.values(), strict=True):
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
            assert not rows or tuple(rows[0]) == RAVEN_COLUMNS
        found = [
            (ms(row["Begin Time (s)"]), ms(row["End Time (s)"]), row["Channel"], row["Emotion"], row["Speaker"])
            for row in rows
        ]
        assert found == sorted(own, key=lambda row: row[:2])
        assert [row["Selection"] for row in rows] == [str(number) for number in range(1, len(rows) + 1)]
        assert {row["High Freq (Hz)"] for row in rows} <= {"4000.0"}
