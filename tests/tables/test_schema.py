from __future__ import annotations

import pyarrow as pa
import pytest

from pcqtool.errors import TableError
from pcqtool.tables.schema import (
    Status,
    column_descriptions,
    events_schema,
    files_schema,
    predictions_schema,
    segments_schema,
)


def test_columns_of_files_are_those_of_the_contract() -> None:
    assert files_schema(["anger", "fear"]).names == [
        *("file", "channel", "duration_s", "sample_rate", "n_segments", "speech_s", "label", "confidence"),
        *("prob_anger", "prob_fear", "method", "status", "error", "model", "size_bytes", "mtime"),
        *("note", "target", "retry", "speaker", "talk_share", "overlap_s", "classified_s", "share_anger", "share_fear"),
        *("longest_s", "longest_start_s", "peak_anger", "peak_fear", "peak_anger_s", "peak_fear_s"),
        *("first_anger_s", "first_fear_s", "turns"),
    ]


def test_columns_of_segments_are_those_of_the_contract() -> None:
    assert segments_schema(["anger", "fear"]).names == [
        *("file", "channel", "segment", "start_s", "end_s", "speech", "padded", "label", "confidence"),
        *("prob_anger", "prob_fear", "speaker"),
    ]


def test_columns_of_events_are_those_of_the_contract() -> None:
    assert events_schema(["anger", "fear"]).names == [
        *("file", "channel", "speaker", "event", "start_s", "end_s", "label", "confidence", "peak", "peak_s"),
    ]


@pytest.mark.parametrize("make", [files_schema, segments_schema, events_schema])
def test_types(make: type) -> None:
    schema = make(["anger"])
    names = {"channel", "speaker", "label", "method", "status", "model"}
    for field in schema:
        if field.name == "file":
            assert field.type == pa.string()
        elif field.name in names:
            assert field.type == pa.dictionary(pa.int32(), pa.string())
        elif field.name.endswith("_s"):
            assert field.type == pa.float64()
        elif field.name.startswith(("prob_", "share_", "peak")) or field.name in ("confidence", "speech"):
            assert field.type == pa.float32()


def test_order_of_labels_is_kept() -> None:
    assert [n for n in segments_schema(["sadness", "anger"]).names if n.startswith("prob_")] == [
        "prob_sadness",
        "prob_anger",
    ]


def test_predictions_are_files_with_more_at_their_end() -> None:
    names = predictions_schema(["anger", "fear"]).names
    n_common = names.index("retry") + 1
    assert names[:n_common] == files_schema(["anger", "fear"]).names[:n_common]
    assert names[n_common:] == [
        *("truth", "speaker", "session", "text_id", "start_s", "end_s", "fold", "seed", "temperature"),
        *("uncalibrated_anger", "uncalibrated_fear"),
    ]


@pytest.mark.parametrize("make", [files_schema, segments_schema, events_schema, predictions_schema])
def test_every_column_is_described_in_a_sentence(make: type) -> None:
    schema = make(["anger", "fear"])
    sentences = column_descriptions(schema)
    assert list(sentences) == schema.names
    assert all(sentence.endswith(".") and len(sentence) > 20 for sentence in sentences.values())
    assert "prob_fear" not in sentences or "fear" in sentences["prob_fear"]
    for name, sentence in sentences.items():
        assert not name.endswith("_s") or "seconds" in sentence.lower()


def test_status_sentence_names_every_status() -> None:
    assert all(status in column_descriptions(files_schema([]))["status"] for status in Status)
    assert {*Status} == {"ok", "no_speech", "empty", "truncated", "failed"}


def test_describe_without_sentences() -> None:
    assert column_descriptions(pa.schema([("x", pa.int8())])) == {"x": ""}


@pytest.mark.parametrize("make", [files_schema, segments_schema, predictions_schema])
def test_a_repeated_label_is_refused(make: type) -> None:
    with pytest.raises(TableError, match="twice"):
        make(["anger", "anger"])
