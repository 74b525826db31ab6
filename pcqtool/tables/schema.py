"""The columns of the result tables: names, order, types and meaning."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import pyarrow as pa

from pcqtool.errors import TableError

SCHEMA_VERSION = 1
"""Incremented when a column is renamed, removed or changes its meaning; a column added at the end keeps it."""

PROBABILITY_PREFIX = "prob_"
"""Prefix of a probability column; the label's name follows."""

SHARE_PREFIX = "share_"
"""Prefix of a label's share of the classified time."""

PEAK_PREFIX = "peak_"
"""Prefix of a label's highest probability in a segment; the segment's time has the suffix ``_s``."""

FIRST_PREFIX = "first_"
"""Prefix of the start of a label's first event; the suffix is ``_s``."""

UNCALIBRATED_PREFIX = "uncalibrated_"
"""Prefix of a probability before the temperature is applied, in an evaluation's predictions."""

UNSURE = "unsure"
"""Value of ``method`` in the row of a file whose label was left out because of its confidence."""

NAME = pa.dictionary(pa.int32(), pa.string())
"""Type of a string with few distinct values, read as a categorical."""


class Status(StrEnum):
    """Outcome for one channel of one input."""

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
        """Return the Arrow field, with the sentence in its metadata under the key ``description``."""
        return pa.field(self.name, self.type, self.nullable, {b"description": self.sentence.encode()})


FILE = Column(
    "file",
    pa.string(),
    "The recording's one name in this table: its path relative to the table's root, with POSIX slashes.",
    False,
)
CHANNEL = Column("channel", NAME, "Channel: 0, 1, … or mix; null if the file could not be opened.")

SPEAKER = Column("speaker", NAME, "Speaker whose turns were classified; null if no turns were given.")

FILE_BEGIN = (
    Column("duration_s", pa.float64(), "Length of the decoded audio in seconds; null if the file could not be opened."),
    Column("sample_rate", pa.int32(), "Samples per second of the file itself, before resampling to 16 kHz."),
    Column("n_segments", pa.int32(), "Number of segments in the segment table.", False),
    Column("speech_s", pa.float64(), "Seconds of speech found; null without voice activity detection."),
)
"""Columns of the file table before the task's columns."""

FILE_END = (
    Column("status", NAME, f"Outcome for the input: {', '.join(Status)}.", False),
    Column("error", pa.string(), "Why the status is not ok, in one line; null if it is."),
    Column("model", NAME, "Name of the model or encoder; null if the input has no result."),
    Column("size_bytes", pa.int64(), "Size of the input file in bytes when the run was planned."),
    Column("mtime", pa.timestamp("us", "UTC"), "Time of the input file's last change when the run was planned."),
    Column("note", pa.string(), "How the recording was read, if not in the usual way; null otherwise."),
    Column("target", pa.string(), "Recording that `file` links to, named as `file` is; null if it is not a link."),
    Column("retry", pa.bool_(), "Whether the next run tries again, because the recording was not at fault."),
)
"""Columns of the file table after the task's columns."""

TRACK_BEGIN = (
    SPEAKER,
    Column("talk_share", pa.float64(), "Share of this channel or speaker in the recording's speech, 0 to 1."),
    Column("overlap_s", pa.float64(), "Seconds in which several of the recording's channels contain speech."),
    Column("classified_s", pa.float64(), "Seconds in classified segments, silence at their edges not counted."),
)
"""Columns of the file table that were appended to it, before those for each label."""

TRACK_LONGEST = (
    Column("longest_s", pa.float64(), "Seconds of the longest stretch in which `label` is the most probable emotion."),
    Column("longest_start_s", pa.float64(), "Start of that stretch, in seconds from the start of the file."),
)

TURNS = Column("turns", pa.string(), "Hash of the speakers' turns that were given for the recording; null without.")
"""Last column of the file table."""

EVENT = (
    Column("event", pa.int32(), "Number of the event within its file, channel and speaker, from 0.", False),
    Column("start_s", pa.float64(), "Start of the event, in seconds from the start of the file.", False),
    Column("end_s", pa.float64(), "End of the event in seconds.", False),
    Column("label", NAME, "Emotion of the event; null for time without an event."),
    Column("confidence", pa.float32(), "Mean probability of the event's emotion, 0 to 1."),
    Column("peak", pa.float32(), "Highest probability of the event's emotion, 0 to 1."),
    Column(
        "peak_s", pa.float64(), "Start of the stretch with that probability, in seconds from the start of the file."
    ),
)
"""Columns of the event table after file, channel and speaker."""

SEGMENT = (
    Column("segment", pa.int32(), "Number of the segment within its file and channel, from 0.", False),
    Column("start_s", pa.float64(), "Start of the segment, in seconds from the start of the file.", False),
    Column("end_s", pa.float64(), "End of the segment's own audio in seconds, padding not counted.", False),
    Column("speech", pa.float32(), "Fraction of speech in the segment, 0 to 1; null without voice activity detection."),
    Column("padded", pa.bool_(), "Whether zeros were added at the end to fill the model's segment length.", False),
)
"""Columns of the segment table before the task's columns."""


def files_schema(labels: Sequence[str]) -> pa.Schema:
    """Return the schema of the file table, which has one row per input file and channel.

    Args:
        labels: the model's classes, in its order.

    Raises:
        TableError: if a label occurs twice.
    """
    labels = tuple(labels)
    shares, peaks = share_columns(labels), peak_columns(labels)
    peak_times, first_times = peak_time_columns(labels), first_columns(labels)
    return _schema(
        *_plain_files(labels),
        *TRACK_BEGIN,
        *(
            Column(
                name, pa.float32(), f"Share of `classified_s` in which {label} is the most probable emotion, 0 to 1."
            )
            for name, label in zip(shares, labels, strict=True)
        ),
        *TRACK_LONGEST,
        *(
            Column(name, pa.float32(), f"Highest probability of {label} in a segment, 0 to 1.")
            for name, label in zip(peaks, labels, strict=True)
        ),
        *(
            Column(name, pa.float64(), f"Start of the segment with `{PEAK_PREFIX}{label}`, in seconds.")
            for name, label in zip(peak_times, labels, strict=True)
        ),
        *(
            Column(name, pa.float64(), f"Start of the first event of {label}, in seconds; null without one.")
            for name, label in zip(first_times, labels, strict=True)
        ),
        TURNS,
    )


def events_schema(labels: Sequence[str]) -> pa.Schema:
    """Return the schema of the event table, which covers every channel or speaker of a recording exactly once.

    Args:
        labels: the model's classes, in its order.
    """
    return _schema(FILE, CHANNEL, SPEAKER, *EVENT)


def segments_schema(labels: Sequence[str]) -> pa.Schema:
    """Return the schema of the segment table, which has one row per segment and channel.

    ``padded`` is a flag, not seconds: the seconds are the model's segment length minus ``end_s - start_s``, but a
    difference of rounded times does not show reliably whether there is any padding.

    Args:
        labels: the model's classes, in its order.

    Raises:
        TableError: if a label occurs twice.
    """
    return _schema(
        FILE,
        CHANNEL,
        *SEGMENT,
        *_prediction(labels, "the segment alone"),
        SPEAKER,
    )


def predictions_schema(labels: Sequence[str]) -> pa.Schema:
    """Return the schema of an evaluation's predictions: columns of the file table, then those of an evaluation.

    It has one row per utterance and seed; ``file``, ``start_s``, ``channel`` and ``seed`` together occur once.

    Args:
        labels: the classes, in their order.

    Raises:
        TableError: if a label occurs twice.
    """
    added = (
        Column("truth", NAME, "Emotion according to the corpus.", False),
        Column("speaker", NAME, "Speaker, as named by the corpus; null if it names none."),
        Column("session", NAME, "Recording session, as named by the corpus; null if it names none."),
        Column("text_id", NAME, "Spoken text, as named by the corpus; null if it names none."),
        Column("start_s", pa.float64(), "Start of the utterance in its file, in seconds; null for the file's start."),
        Column("end_s", pa.float64(), "End of the utterance in its file, in seconds; null for the file's end."),
        Column("fold", NAME, "Fold in which the utterance was in the test part; null without training."),
        Column("seed", pa.int64(), "Seed of the training run; null without training."),
        Column("temperature", pa.float64(), "Temperature that calibrated the row, fitted to the validation part."),
        *(
            Column(UNCALIBRATED_PREFIX + label, pa.float32(), f"Probability of {label} before the temperature, 0 to 1.")
            for label in labels
        ),
    )
    return _schema(*_plain_files(labels), *added)


def column_descriptions(schema: pa.Schema) -> dict[str, str]:
    """Map each column of a schema to its sentence; '' without one."""
    return {field.name: (field.metadata or {}).get(b"description", b"").decode() for field in schema}


def probability_columns(labels: Iterable[str]) -> list[str]:
    """Return the names of the probability columns of labels: ``anger`` → ``prob_anger``."""
    return [PROBABILITY_PREFIX + label for label in labels]


def share_columns(labels: Iterable[str]) -> list[str]:
    """Return the names of the columns of labels' shares: ``anger`` → ``share_anger``."""
    return [SHARE_PREFIX + label for label in labels]


def peak_columns(labels: Iterable[str]) -> list[str]:
    """Return the names of the columns of labels' highest probabilities: ``anger`` → ``peak_anger``."""
    return [PEAK_PREFIX + label for label in labels]


def peak_time_columns(labels: Iterable[str]) -> list[str]:
    """Return the names of the columns of their times: ``anger`` → ``peak_anger_s``."""
    return [f"{PEAK_PREFIX}{label}_s" for label in labels]


def first_columns(labels: Iterable[str]) -> list[str]:
    """Return the names of the columns of labels' first events: ``anger`` → ``first_anger_s``."""
    return [f"{FIRST_PREFIX}{label}_s" for label in labels]


def _plain_files(labels: Sequence[str]) -> list[Column]:
    """Return the columns of the file table that do not describe long tracks."""
    return [
        FILE,
        CHANNEL,
        *FILE_BEGIN,
        *_prediction(labels, "segments by the rule `aggregation` of the table's provenance"),
        Column(
            "method",
            NAME,
            f"Rule that combined the segments; {UNSURE} if `label` was left out; null without a prediction.",
        ),
        *FILE_END,
    ]


def _prediction(labels: Sequence[str], basis: str) -> list[Column]:
    if len(set(labels)) != len(labels):
        raise TableError(f"a label occurs twice: {', '.join(labels)}", "Each class of a model needs a different name.")
    return [
        Column(
            "label",
            NAME,
            f"Most probable emotion, from {basis}; null without a prediction or below a minimum of confidence.",
        ),
        Column("confidence", pa.float32(), "Calibrated probability of the most probable emotion, 0 to 1."),
        *(
            Column(name, pa.float32(), f"Calibrated probability of {label}, 0 to 1; all of a row sum to 1.")
            for name, label in zip(probability_columns(labels), labels, strict=True)
        ),
    ]


def _schema(*columns: Column) -> pa.Schema:
    return pa.schema([column.field() for column in columns])
