"""JSON Lines have every value of the tables, by recording."""

from __future__ import annotations

import json

import polars as pl
import polars.selectors as cs

import pcqtool
from tests.json_schemas import check_json


def rows(frame):
    return frame.with_columns(cs.categorical().cast(pl.String), cs.datetime().cast(pl.String)).to_dicts()


def test_each_recording_is_an_object(results, tmp_path):
    (path,) = pcqtool.export(results, "jsonl", tmp_path / "x.jsonl").paths
    objects = [json.loads(line) for line in path.read_text("utf-8").split("\n")[:-1]]
    for each in objects:
        check_json(each)
    assert [each["file"] for each in objects] == results.files["file"].unique(maintain_order=True).to_list()
    files, found = [], {"segments": [], "events": []}
    for each in objects:
        for track in each["tracks"]:
            own = {"file": each["file"], "channel": track["channel"], "speaker": track["speaker"]}
            for kind in found:
                found[kind] += [own | row for row in track.pop(kind)]
            files.append({"file": each["file"]} | track)
    assert files == rows(results.files)
    for kind, own in found.items():
        expected = rows(getattr(results, kind))
        assert len(own) == len(expected)
        assert all(row in expected for row in own)


def test_a_failed_recording_has_its_reason_and_empty_lists(make_results, tmp_path):
    results = make_results({"bad.wav": (None, {(None, None): ([], [])})})
    (path,) = pcqtool.export(results, "jsonl", tmp_path).paths
    (track,) = json.loads(path.read_text("utf-8"))["tracks"]
    assert track["status"] == "failed"
    assert track["error"] == "=HYPERLINK()\nno"
    assert (track["segments"], track["events"]) == ([], [])
    assert path.name == "r.jsonl"
