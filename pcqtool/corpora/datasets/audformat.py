"""Databases in audEERING's audformat: a header ``db.yaml``, and tables in CSV or Parquet files beside it."""

from __future__ import annotations

import logging
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from pcqtool.corpora import (
    CorpusError,
    Expected,
    SettingsError,
    Utterance,
    canonical,
    find_files,
    read_table,
    require_recordings,
    sort_labels,
)

HEADER = "db.yaml"
EMOTION = ("emotion",)
SPEAKER = ("speaker",)
SESSION = ("session",)
TEXT = ("text", "sentence", "sentence_number", "word", "transcription")
# Patterns of table names, best first: agreed on by listeners (not by viewers); else acted.
PREFERRED = (r"emotion\.categories(\.(train|dev|test))?\.gold_standard", r".*\.gold_standard", r"emotion(\..*)?", r".*")
SPAN = re.compile(r"(?:(?P<days>\d+) days? )?(?P<hours>\d+):(?P<minutes>\d+):(?P<seconds>[\d.]+)")

Segment = tuple[str, float | None, float | None]
Tables = Mapping[str, Mapping[str, Mapping[str, Any] | None]]

_log = logging.getLogger(__name__)


class Audformat:
    """The folder with the header, or one of its tables (``db.NAME.csv``) if several tables disagree.

    Labels are in columns named ``emotion`` or with that scheme, in the tables ``emotion.categories.….gold_standard`` if
    there are any, else in other gold standards, else in all; speaker, session and text are in columns of these names.
    Labels outside the vocabulary are left out with a warning. Headers and tables are data: nothing is unpickled, so a
    table that exists only as ``.pkl`` is an error.
    """

    name = "audformat"
    title = "A database in audEERING's format"
    citation = ""
    licence = ""
    url = "https://audeering.github.io/audformat/"
    expected = Expected(exhaustive=False)  # labels outside the vocabulary are left out

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that occur, in the order of the vocabulary; reads the database."""
        return sort_labels(utterance.label for utterance in self._utterances)

    def utterances(self) -> list[Utterance]:
        """Return the labelled files or segments, sorted by file and time.

        Raises:
            CorpusError: if header, table or recordings are missing or damaged, or two tables disagree.
        """
        return list(self._utterances)

    @cached_property
    def _utterances(self) -> tuple[Utterance, ...]:
        header = _header(self.root)
        tables = _tables(header)
        labels = _labels(header.parent, self._emotion_tables(tables))
        if not labels:
            raise CorpusError(f"{header}: no emotion labels", f"Of {', '.join(tables)}, one needs a column 'emotion'.")
        groups = [dict(_values(header.parent, tables, names)) for names in (SPEAKER, SESSION, TEXT)]
        found = []
        for segment in sorted(labels, key=lambda each: (each[0], each[1] or 0.0, each[2] or math.inf)):
            file, start_s, end_s = segment
            speaker, session, text_id = (each.get(segment) or each.get((file, None, None)) for each in groups)
            path, label = header.parent / file, labels[segment]
            found.append(Utterance(path, label, speaker, session, text_id, start_s, end_s))
        return tuple(require_recordings(str(header), found, "The recordings must be below the folder of the header."))

    def _emotion_tables(self, tables: Tables) -> Tables:
        if self.root.is_file() and self.root.name != HEADER:
            name = self.root.stem.removeprefix("db.")
            return {name: tables.get(name, {})}
        labelled = {name: columns for name, columns in tables.items() if _column(columns, EMOTION)}
        ranks = [[name for name in sorted(labelled) if re.fullmatch(pattern, name)] for pattern in PREFERRED]
        return {name: labelled[name] for name in next(filter(None, ranks), [])}


def _header(root: Path) -> Path:
    found = [root.parent if root.is_file() else root]
    if not (found[0] / HEADER).is_file():
        found = [path.parent for path in find_files(root, ".yaml") if path.name == HEADER]
    if len(found) != 1:
        raise CorpusError(f"{root}: {len(found)} headers {HEADER}", f"Pass the folder of one database: {HEADER} in it.")
    return found[0] / HEADER


def _tables(header: Path) -> Tables:
    """Read the columns of each table from the header."""
    import yaml

    try:
        content = yaml.safe_load(header.read_text("utf-8"))
        return {name: table.get("columns") or {} for name, table in content["tables"].items()}
    except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError, AttributeError) as error:
        raise CorpusError(f"{header}: not a header of audformat: {error}") from error


def _labels(folder: Path, tables: Tables) -> dict[Segment, str]:
    labels: dict[Segment, str] = {}
    left_out: Counter[str] = Counter()
    for segment, name in _values(folder, tables, EMOTION):
        try:
            label = canonical(name)
        except SettingsError:
            left_out[name] += 1
        else:
            if labels.setdefault(segment, label) != label:
                choice = ", ".join(f"db.{table}" for table in sorted(tables))
                raise CorpusError(
                    f"{folder}: {segment[0]} is {labels[segment]} in one table and {label} in another",
                    f"Pass the file of one table as --root: {choice}.",
                )
    if left_out:
        names = ", ".join(f"{name!r} ({number})" for name, number in left_out.most_common())
        _log.warning("%s: left out, since no emotion of the vocabulary: %s", folder, names)
    return labels


def _values(folder: Path, tables: Tables, names: Sequence[str]) -> Iterator[tuple[Segment, str]]:
    """Read the value of each file or segment from the tables that have a column with one of the names."""
    for table, columns in tables.items():
        if column := _column(columns, names):
            path = _table_file(folder, table)
            for number, row in read_table(path):
                if (value := row.get(column)) not in (None, ""):
                    try:
                        yield (row["file"], _seconds(row.get("start")) or None, _seconds(row.get("end"))), str(value)
                    except (KeyError, ValueError) as error:
                        raise CorpusError(f"{path}, line {number}: not a line of audformat: {error}") from error


def _column(columns: Mapping[str, Mapping[str, Any] | None], names: Sequence[str]) -> str | None:
    """Return the column with one of the names, or the only one whose scheme has such a name (not one of raters)."""
    for name in names:
        if name in columns:
            return name
    found = [column for column, about in columns.items() if (about or {}).get("scheme_id") in names]
    return found[0] if len(found) == 1 else None


def _table_file(folder: Path, table: str) -> Path:
    for suffix in (".parquet", ".csv"):
        if (path := folder / f"db.{table}{suffix}").is_file():
            return path
    raise CorpusError(
        f"{folder}: no db.{table}.parquet or .csv", "A .pkl is not read: save the database in another storage format."
    )


def _seconds(value: object) -> float | None:
    """Return a time in seconds; None for the end of the file."""
    if isinstance(value, timedelta):
        return value.total_seconds()
    if value in (None, "", "NaT"):
        return None
    match = SPAN.fullmatch(str(value))
    if match is None:
        raise ValueError(f"{value!r} is not a time")
    part = {name: float(number or 0) for name, number in match.groupdict().items()}
    return ((part["days"] * 24 + part["hours"]) * 60 + part["minutes"]) * 60 + part["seconds"]
