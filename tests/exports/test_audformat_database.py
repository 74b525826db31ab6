"""audformat reads its database with the same times and labels."""

from __future__ import annotations

import audformat
import pytest

import pcqtool
from tests.exports.examples import LABELS, RECORDINGS, spans


@pytest.fixture
def database(results, tmp_path):
    pcqtool.export(results, "audformat", tmp_path / "calls")
    return audformat.Database.load(str(tmp_path / "calls"))


def test_the_schemes(database):
    assert database.name == "calls"
    assert database.schemes["emotion"].labels == list(LABELS)
    assert (database.schemes["confidence"].minimum, database.schemes["confidence"].maximum) == (0.0, 1.0)


@pytest.mark.parametrize("kind", ["segments", "events"])
def test_segments_and_events(database, kind):
    found: dict[tuple[str, str, str | None], list[tuple[int, int, str]]] = {}
    for table in database.tables:
        if table.split(".")[0] == kind:
            for (file, start, end), row in database[table].df.iterrows():
                if isinstance(row["label"], str):
                    speaker = row["speaker"] if isinstance(row["speaker"], str) else None
                    times = (round(start.total_seconds() * 1000), round(end.total_seconds() * 1000))
                    found.setdefault((file, row["channel"], speaker), []).append((*times, row["label"]))
                    assert row["confidence"] == 0.75
    assert {key: sorted(own) for key, own in found.items()} == {key: own for key, own in spans(kind).items() if own}


def test_every_recording_is_a_file(database):
    tables = [table for table in database.tables if table.split(".")[0] == "files"]
    files = [file for table in tables for file in database[table].files]
    assert sorted(files) == sorted(file for file, (_, tracks) in RECORDINGS.items() for _ in tracks)
    assert {"files", "files.ch0", "files.ch1", "files.ch0.anna"} < set(tables)


def test_only_failed_recordings(make_results, tmp_path):
    results = make_results({"bad.wav": (None, {(None, None): ([], [])})})
    pcqtool.export(results, "audformat", tmp_path / "db")
    database = audformat.Database.load(str(tmp_path / "db"))
    assert list(database.tables) == ["files"]
    assert database["files"].df["label"].isna().all()
