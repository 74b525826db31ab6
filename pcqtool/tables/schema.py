"""The columns of the result tables: names, order, types and meaning."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import pyarrow as pa

from pcqtool.errors import TableError

SCHEMA_VERSION = 1
"""Raised when a column is renamed, removed or changes its meaning; a column added at the end keeps it."""

PROBABILITY_PREFIX = "prob_"
"""A label's probability is in the column of this prefix and the label's name."""

UNCALIBRATED_PREFIX = "uncalibrated_"
"""The same before the temperature is applied, in the table of an evaluation's predictions."""

NAME = pa.dictionary(pa.int32(), pa.string())
"""A string out of few: stored once, read as a categorical."""


class Status(StrEnum):
    """What became of one channel of one input."""

    OK = "ok"
    NO_SPEECH = "no_speech"
    EMPTY = "empty"
    TRUNCATED = "truncated"
    FAILED = "failed"


@dataclass(frozen=True)
class Column:
    """One column: its Arrow type, one sentence for users, and whether a row may leave it null."""

    name: str
    type: pa.DataType
    sentence: str
    nullable: bool = True

    def field(self) -> pa.Field:
        """Give the Arrow field, the sentence in its metadata under the key ``description``."""
        return pa.field(self.name, self.type, self.nullable, {b"description": self.sentence.encode()})


FILE = Column(
    "file",
    pa.string(),
    "The recording's one name in this table: its path relative to the table's root, with POSIX slashes.",
    False,
)
CHANNEL = Column("channel", NAME, "Channel judged: 0, 1, … or mix; null where the file could not be opened.")

FILE_BEGIN = (
    Column("duration_s", pa.float64(), "Length of what could be decoded, in seconds; null where nothing could."),
    Column("sample_rate", pa.int32(), "Samples per second of the file itself, before resampling to 16 kHz."),
    Column("n_segments", pa.int32(), "Number of segments in the segment table; 0 where there are none.", False),
    Column("speech_s", pa.float64(), "Seconds of speech found; null where voice activity detection is off."),
)
"""What the file table says of a recording before what was made of it."""

FILE_END = (
    Column("status", NAME, f"What became of the input: {', '.join(Status)}.", False),
    Column("error", pa.string(), "Why the status is not ok, in a line; null where it is."),
    Column("model", NAME, "Name of the model or encoder at work; null where nothing was made of the input."),
    Column("size_bytes", pa.int64(), "Size of the input file in bytes when the run was planned."),
    Column("mtime", pa.timestamp("us", "UTC"), "Time of the input file's last change when the run was planned."),
    Column("note", pa.string(), "How the recording was read where it was not the usual way; null where it was."),
    Column("target", pa.string(), "Recording to which `file` links, named as `file` is; null where it is no link."),
    Column("retry", pa.bool_(), "Whether the next run tries again: the fault was not the recording's own."),
)
"""What the file table says of a recording after it."""

SEGMENT = (
    Column("segment", pa.int32(), "Number of the segment within its file and channel, from 0.", False),
    Column("start_s", pa.float64(), "First moment of the segment, in seconds from the start of the file.", False),
    Column("end_s", pa.float64(), "End of the segment's own audio in seconds, padding not counted.", False),
    Column("speech", pa.float32(), "Share of the segment that is speech, 0 to 1; null without voice detection."),
    Column("padded", pa.bool_(), "Whether zeros were added at the end to fill the model's segment length.", False),
)
"""What the segment table says of a segment before what was made of it."""


def files_schema(labels: Sequence[str]) -> pa.Schema:
    """Give the schema of the file table, one row for each input file and channel.

    Args:
        labels: the model's classes, in its order.

    Raises:
        TableError: if a label occurs twice.
    """
    return _schema(
        FILE,
        CHANNEL,
        *FILE_BEGIN,
        *_judgement(labels, "segments by the rule `aggregation` of the table's provenance"),
        Column("method", NAME, "Rule that made one judgement of many segments; null where nothing was judged."),
        *FILE_END,
    )


def segments_schema(labels: Sequence[str]) -> pa.Schema:
    """Give the schema of the segment table, one row for each segment of each channel.

    ``padded`` is yes or no, not seconds: the seconds are the model's segment length less ``end_s - start_s``, so a user
    has them already, while whether there were any cannot be told safely from a difference of rounded times.

    Args:
        labels: the model's classes, in its order.

    Raises:
        TableError: if a label occurs twice.
    """
    return _schema(
        FILE,
        CHANNEL,
        *SEGMENT,
        *_judgement(labels, "the segment alone"),
    )


def predictions_schema(labels: Sequence[str]) -> pa.Schema:
    """Give the schema of an evaluation's predictions: the file table, and what only an evaluation knows after it.

    One row for each utterance and seed; ``file``, ``start_s``, ``channel`` and ``seed`` together occur once.

    Args:
        labels: the classes, in their order.

    Raises:
        TableError: if a label occurs twice.
    """
    added = (
        Column("truth", NAME, "Emotion that the corpus says it is.", False),
        Column("speaker", NAME, "Speaker, as the corpus names them; null where it does not."),
        Column("session", NAME, "Recording session, as the corpus names it; null where it does not."),
        Column("text_id", NAME, "What is said, as the corpus names it; null where it does not."),
        Column("start_s", pa.float64(), "Start of the utterance in its file, in seconds; null for the file's start."),
        Column("end_s", pa.float64(), "End of the utterance in its file, in seconds; null for the file's end."),
        Column("fold", NAME, "Fold in which the utterance was in the test part; null where nothing was trained."),
        Column("seed", pa.int64(), "Seed of the training run; null where nothing was trained."),
        Column("temperature", pa.float64(), "Temperature that calibrated the row, fitted to the validation part."),
        *(
            Column(UNCALIBRATED_PREFIX + label, pa.float32(), f"Probability of {label} before the temperature, 0 to 1.")
            for label in labels
        ),
    )
    return pa.schema([*files_schema(labels), *(column.field() for column in added)])


def describe(schema: pa.Schema) -> dict[str, str]:
    """Map each column of a schema, made here or read from a file, to its sentence ('' where it has none)."""
    return {field.name: (field.metadata or {}).get(b"description", b"").decode() for field in schema}


def probability_columns(labels: Iterable[str]) -> list[str]:
    """Name the probability columns of some labels: ``anger`` → ``prob_anger``."""
    return [PROBABILITY_PREFIX + label for label in labels]


def _judgement(labels: Sequence[str], basis: str) -> list[Column]:
    if len(set(labels)) != len(labels):
        raise TableError(f"a label occurs twice: {', '.join(labels)}", "Each class of a model needs its own name.")
    return [
        Column("label", NAME, f"Most probable emotion, from {basis}; null where nothing was judged."),
        Column("confidence", pa.float32(), "Calibrated probability of `label`, 0 to 1."),
        *(
            Column(name, pa.float32(), f"Calibrated probability of {label}, 0 to 1; all of a row sum to 1.")
            for name, label in zip(probability_columns(labels), labels, strict=True)
        ),
    ]


def _schema(*columns: Column) -> pa.Schema:
    return pa.schema([column.field() for column in columns])
