"""Calls and long recordings from the command line: finer segments, speakers' turns, both channels, events."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import soundfile
from polars.testing import assert_frame_equal

from pcqtool.cli.app import main
from pcqtool.tables.reader import read_events, read_files, read_segments

RECORDINGS = Path(__file__).parents[2] / "examples" / "recordings"
CALL = RECORDINGS / "call-stereo.wav"


@pytest.fixture
def label(tmp_path) -> Callable[..., list[pl.DataFrame]]:
    """Label with the bundled model, in this process; return the three tables."""

    def run(*arguments: str, name: str = "r") -> list[pl.DataFrame]:
        out = tmp_path / f"{name}.parquet"
        assert main(["label", *map(str, arguments), "--out", str(out), "--profile", "off", "--jobs", "1"]) == 0
        return [read(out) for read in (read_files, read_segments, read_events)]

    return run


def covers(events: pl.DataFrame, files: pl.DataFrame) -> bool:
    """Whether the events of each channel and speaker follow each other from 0 to the end of the recording."""
    for row in files.iter_rows(named=True):
        own = events.filter(
            pl.col("file") == row["file"],
            pl.col("channel").eq_missing(row["channel"]),
            pl.col("speaker").eq_missing(row["speaker"]),
        )
        edges = [(0.0, 0.0), *own.select("start_s", "end_s").rows(), (row["duration_s"], row["duration_s"])]
        if any(before[1] != after[0] for before, after in pairwise(edges)):
            return False
    return True


def test_a_call_says_who_talks_how_much(label):
    files, _, events = label(CALL)
    assert files["channel"].to_list() == ["0", "1"]
    assert files["talk_share"].sum() == pytest.approx(1.0)
    assert (files["talk_share"] * files["speech_s"].sum()).to_list() == pytest.approx(files["speech_s"].to_list())
    assert files["overlap_s"].to_list() == [0.0, 0.0]
    assert covers(events, files)
    shares = files.select(pl.sum_horizontal("^share_.*$"))
    assert shares.to_series().to_list() == pytest.approx([1.0, 1.0])


def test_both_channels_speaking_is_overlap(label, tmp_path):
    """The second channel says the same, half a second later."""
    wave, rate = soundfile.read(RECORDINGS / "greeting.wav")
    late = np.concatenate([np.zeros(rate // 2), wave[: -rate // 2]])
    soundfile.write(tmp_path / "call.wav", np.stack([wave, late], axis=1), rate)
    files, _, _ = label(tmp_path / "call.wav", "--channels", "split")
    (overlap_s,) = set(files["overlap_s"])
    assert files["speech_s"].max() - 1.0 < overlap_s < files["speech_s"].max()


def test_a_hop_of_3_s_is_the_default(label):
    for one, other in zip(label(CALL, name="usual"), label(CALL, "--hop", "3", name="hop"), strict=True):
        assert_frame_equal(one, other, check_exact=True)


def test_a_shorter_hop_counts_each_second_once(label):
    usual, _, _ = label(CALL, name="usual")
    files, segments, events = label(CALL, "--hop", "1")
    for channel in ("0", "1"):
        own = segments.filter(pl.col("channel") == channel)
        assert own["start_s"].to_list() == [float(n) for n in range(len(own))]
        assert own["end_s"][-1] == files["duration_s"][0]
    assert covers(events, files)
    assert (files["classified_s"] >= 0.9 * usual["classified_s"]).all()
    assert (files["classified_s"] <= files["duration_s"]).all()
    assert files["speech_s"].to_list() == usual["speech_s"].to_list()


def test_segments_at_pauses_contain_all_speech(label):
    usual, _, _ = label(CALL, name="usual")
    files, segments, events = label(CALL, "--segments", "speech")
    assert files["speech_s"].to_list() == usual["speech_s"].to_list()
    seconds = segments.with_columns(seconds=pl.col("speech") * (pl.col("end_s") - pl.col("start_s")))
    spoken = seconds.group_by("channel", maintain_order=True).agg(pl.col("seconds").sum()).sort("channel")
    assert spoken["seconds"].to_list() == pytest.approx(files["speech_s"].to_list(), abs=1e-6)
    assert (segments["end_s"] - segments["start_s"]).max() <= 3.0
    assert covers(events, files)


def test_turns_make_rows_for_each_speaker(label, tmp_path):
    shutil.copy(RECORDINGS / "greeting.wav", tmp_path / "talk.wav")
    shutil.copy(RECORDINGS / "greeting.wav", tmp_path / "alone.wav")
    (tmp_path / "talk.rttm").write_text(
        "SPEAKER talk 1 0.0 2.0 <NA> <NA> anna <NA> <NA>\nSPEAKER talk 1 1.5 2.0 <NA> <NA> ben <NA> <NA>\n"
    )
    files, segments, events = label(tmp_path / "talk.wav", tmp_path / "alone.wav", "--turns", tmp_path / "talk.rttm")
    assert files.select("file", "speaker").rows() == [("alone.wav", None), ("talk.wav", "anna"), ("talk.wav", "ben")]
    assert files["note"].to_list()[1:] == [None, None]
    assert "no turns" in files["note"][0]
    own = segments.filter(pl.col("speaker").is_not_null())
    assert own.select("speaker", "start_s", "end_s").rows() == [("anna", 0.0, 2.0), ("ben", 1.5, 3.5)]
    assert files["talk_share"][0] is None
    assert files["talk_share"][1:].sum() == pytest.approx(1.0)
    assert covers(events, files)


def test_a_recording_whose_turns_have_changed_is_labelled_again(label, tiny_model, tmp_path, capsys):
    arguments = (tmp_path, "--turns", tmp_path, "--model", tiny_model)

    def turn(name: str, end_s: float = 2.0) -> None:
        lines = [f"SPEAKER {name} 1 {start_s} {end_s - start_s} <NA> <NA> anna <NA> <NA>" for start_s in (0.0, 1.0)]
        (tmp_path / f"{name}.rttm").write_text("\n".join(lines))

    def again() -> tuple[list[tuple[object, ...]], list[str]]:
        capsys.readouterr()
        _, segments, _ = label(*arguments, "--since", "1h", "--json")
        report = json.loads(capsys.readouterr().out)
        spans = segments.group_by("file", maintain_order=True).agg(pl.col("end_s").max()).rows()
        assert report["table"]["files"] == 3
        return [span for span in spans if span[0] != "c.wav"], [report["n_files"], report["n_replaced"]]

    for name in ("a", "b", "c"):
        shutil.copy(RECORDINGS / "greeting.wav", tmp_path / f"{name}.wav")
        turn(name)
    assert again() == ([("a.wav", 2.0), ("b.wav", 2.0)], [3, 0])
    for name in ("a", "b", "c"):
        os.utime(tmp_path / f"{name}.wav", (0, 0))
    label(*arguments)
    turn("b", end_s=3.0)
    (tmp_path / "a.rttm").write_text("\n".join(reversed((tmp_path / "a.rttm").read_text().split("\n"))))
    assert again() == ([("a.wav", 2.0), ("b.wav", 3.0)], [1, 1])
    assert again()[1] == [0, 0]
    (tmp_path / "b.rttm").unlink()
    (_, (_, end_s)), counts = again()
    assert (end_s > 3.0, counts) == (True, [1, 1])
    turn("b")
    assert again() == ([("a.wav", 2.0), ("b.wav", 2.0)], [1, 1])


def test_too_little_speech_has_no_label(label, tmp_path):
    wave, rate = soundfile.read(RECORDINGS / "greeting.wav")
    spoken = np.flatnonzero(np.abs(wave) > 0.1 * np.abs(wave).max())[0]
    short = np.concatenate([np.zeros(rate), wave[spoken : spoken + int(0.4 * rate)], np.zeros(rate)])
    soundfile.write(tmp_path / "short.wav", short, rate)
    files, segments, events = label(tmp_path / "short.wav")
    assert files.select("status", "label").rows() == [("no_speech", None)]
    assert segments["label"].to_list() == [None]
    assert events["label"].to_list() == [None]
    assert covers(events, files)


def test_the_rule_of_events_is_a_setting(label, pcqtool, tmp_path):
    _, _, events = label(RECORDINGS / "voicemail.mp3", "--event-confidence", "0.05", "--event-min-duration", "0")
    assert events["label"].null_count() < len(events)
    _, _, none = label(RECORDINGS / "voicemail.mp3", "--event-confidence", "1", name="none")
    assert none["label"].to_list() == [None]
    arguments = ("label", str(RECORDINGS / "voicemail.mp3"), "--out", "r.parquet", "--profile", "off")
    refused = pcqtool(*arguments, "--event-confidence", "0.3")
    assert refused.returncode == 1
    assert "other settings: events" in refused.stderr


def test_the_summary_counts_time(pcqtool):
    done = pcqtool("label", str(RECORDINGS / "voicemail.mp3"), "--out", "r.parquet", "--json")
    summary = json.loads(done.stdout)
    assert summary["license"].startswith("CC BY-NC-SA")
    now, table = summary["label_time_s"], summary["table"]["label_time_s"]
    assert now.keys() == table.keys()
    assert list(now.values()) == pytest.approx([table[label] for label in now], rel=1e-5)
    again = pcqtool("label", str(RECORDINGS / "voicemail.mp3"), "--out", "r.parquet", "--json")
    assert json.loads(again.stdout)["label_time_s"] == {}
    assert json.loads(again.stdout)["table"]["label_time_s"] == summary["table"]["label_time_s"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--hop", "5"), "a hop of 5.0 s is not possible"),
        (("--hop", "1", "--segments", "speech"), "a hop is for segments on a grid"),
        (("--vad", "off", "--segments", "speech"), "need voice activity detection"),
        (("--turns", "none.rttm"), "cannot be read"),
        (("--event-confidence", "0"), "above 0"),
    ],
)
def test_options_that_do_not_fit_are_refused(pcqtool, arguments, message):
    done = pcqtool("label", str(CALL), *arguments)
    assert done.returncode in (1, 2)
    assert message in done.stderr


def test_a_channel_without_turns_has_a_row_that_says_so(label, tmp_path):
    shutil.copy(CALL, tmp_path / "call.wav")
    (tmp_path / "call.rttm").write_text("SPEAKER call 2 0.0 2.0 <NA> <NA> ben <NA> <NA>\n")
    files, segments, events = label(tmp_path / "call.wav", "--turns", tmp_path)
    assert files.select("channel", "speaker", "status", "error").rows() == [
        ("0", None, "no_speech", "no turns were given for this channel"),
        ("1", "ben", *files.select("status", "error").row(1)),
    ]
    assert segments["speaker"].to_list() == ["ben"]
    assert covers(events, files)
