from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
import soundfile

from pcqtool.corpora.base import Utterance
from pcqtool.evaluation.predictions import ModelPredictions, predictions_table
from pcqtool.tables.schema import files_schema, predictions_schema
from pcqtool.training.augmentation import Augmentations
from pcqtool.training.segments import build_segments

LABELS = ("anger", "neutral", "sadness")


def predicted(utterances, seed=0, fold="s0"):
    calibrated = np.tile([0.2, 0.7, 0.1], (len(utterances), 1))
    return ModelPredictions(utterances, calibrated, np.tile([0.1, 0.85, 0.05], (len(utterances), 1)), 1.5, fold, seed)


def test_rows_say_what_labelling_says_and_more(experiment):
    table = predictions_table([predicted([0, 2])], experiment.utterances, experiment.data, LABELS, "mean-log", "toy")
    assert table.schema.equals(predictions_schema(LABELS))
    n_common = table.schema.names.index("retry") + 1
    assert table.schema.names[:n_common] == files_schema(LABELS).names[:n_common]
    first, third = table.to_pylist()
    assert first["file"] == "anger-0-0.wav"
    assert (first["channel"], first["duration_s"], first["sample_rate"]) == ("mix", 1.0, 16000)
    assert (third["duration_s"], third["n_segments"]) == (4.0, 2)
    assert (first["label"], first["confidence"], first["truth"]) == ("neutral", pytest.approx(0.7), "anger")
    assert (first["prob_sadness"], first["uncalibrated_sadness"]) == (pytest.approx(0.1), pytest.approx(0.05))
    assert (first["speaker"], first["session"], first["fold"], first["seed"]) == ("s0", None, "s0", 0)
    assert (first["method"], first["model"], first["status"], first["temperature"]) == ("mean-log", "toy", "ok", 1.5)
    assert first["size_bytes"] == experiment.utterances[0].path.stat().st_size


def test_a_row_for_each_seed_sorted_by_file_then_seed(experiment):
    parts = [predicted([2, 0], seed=1), predicted([0, 2], seed=0)]
    table = predictions_table(parts, experiment.utterances, experiment.data, LABELS, "mean", "toy")
    assert list(zip(table["file"].to_pylist(), table["seed"].to_pylist(), strict=True)) == [
        ("anger-0-0.wav", 0),
        ("anger-0-0.wav", 1),
        ("anger-0-2.wav", 0),
        ("anger-0-2.wav", 1),
    ]


def test_stretches_of_one_file_are_told_apart(experiment):
    whole = experiment.utterances[2]
    pieces = [replace(whole, start_s=start, end_s=start + 1.0, session="x", text_id="t") for start in (2.0, 0.5)]
    data = build_segments(pieces, 0, Augmentations(), 0, 1)
    table = predictions_table([predicted([0, 1], None, None)], pieces, data, LABELS, "mean", "toy")
    assert table["start_s"].to_pylist() == [0.5, 2.0]
    assert table["duration_s"].to_pylist() == [1.0, 1.0]
    assert table["fold"].null_count == table["seed"].null_count == 2
    assert table["file"].to_pylist() == ["anger-0-2.wav"] * 2
    assert pa.types.is_dictionary(table.schema.field("text_id").type)


def test_a_row_notes_how_its_recording_was_heard(tmp_path, write_wave):
    path = write_wave("a.wav")
    wave, rate = soundfile.read(path)
    soundfile.write(tmp_path / "b.wav", np.stack((wave, -wave), 1), 2 * rate)
    utterances = [Utterance(path, "anger"), Utterance(path.with_name("b.wav"), "neutral")]
    utterances.append(replace(utterances[1], channel=1))
    data = build_segments(utterances, 0, Augmentations(), 0, 1)
    table = predictions_table([predicted([0, 1, 2])], utterances, data, LABELS, "mean", "toy")
    note = "mixing the channels would cancel them; channel 0 is used"
    rows = table.select(["file", "channel", "sample_rate", "note"]).to_pylist()
    assert [tuple(row.values()) for row in rows] == [
        ("a.wav", "mix", 16000, None),
        ("b.wav", "1", 32000, None),
        ("b.wav", "mix", 32000, note),
    ]
