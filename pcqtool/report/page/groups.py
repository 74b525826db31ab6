"""RecordingGroups of recordings for trends, from their names or from a table: day, hour, agent, queue."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Literal

from pcqtool.errors import SettingsError
from pcqtool.labels import normalise_label

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl

MAX_VALUES = 1000
"""A column with more different values is left out of the trends."""

_DATE = re.compile(r"(\d{4})-?(\d\d)-?(\d\d)(?:[T _](\d\d).*)?")
_HOUR = re.compile(r"(\d\d?)(?:[:\-.h]?\d\d.*)?")
_FIELD = re.compile(r"\{(\w*)\}")
_SHAPES = {"date": r"\d{4}-\d\d-\d\d|\d{8}", "hour": r"\d\d?", "time": r"\d\d[:.\-]?\d\d(?:[:.\-]?\d\d)?"}


@dataclass(frozen=True)
class Grouping:
    """A property of recordings; ``values`` has one entry per row of the file table, None if it is unknown."""

    name: str
    kind: Literal["date", "hour", "text"]
    values: list[str | None]


@dataclass(frozen=True)
class RecordingGroups:
    """Properties of the rows of a file table.

    Attributes:
        groupings: properties for trends.
        truth: the labels that people gave, one per row; empty without any.
        notes: what could not be used, for the user.
    """

    groupings: list[Grouping] = field(default_factory=list)
    truth: list[str | None] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def name_pattern(pattern: str) -> re.Pattern[str]:
    """Translate ``{date}/{call}_{agent}.wav`` to an expression for the end of a recording's name.

    ``{date}`` is YYYY-MM-DD or YYYYMMDD, ``{hour}`` one or two digits, ``{time}`` HHMM or HHMMSS, also with separators;
    other fields are any text without ``/``. ``*`` is text without ``/`` that is not used.

    Raises:
        SettingsError: if it has no field, or a field twice.
    """
    names = _FIELD.findall(pattern)
    if not names or len(set(names)) < len(names) or not all(name.isidentifier() for name in names):
        raise SettingsError(
            f"the name pattern {pattern!r} needs fields in braces, each once",
            "For example: --name-pattern '{date}/{call}_{agent}.wav'",
        )
    parts = _FIELD.split(pattern)
    expressions = [
        f"(?P<{part}>{_SHAPES.get(part, '[^/]+?')})" if number % 2 else re.escape(part).replace(r"\*", "[^/]*")
        for number, part in enumerate(parts)
    ]
    return re.compile("(?:.*/)?" + "".join(expressions))


def groups_by_name(pattern: str, files: pl.DataFrame) -> RecordingGroups:
    """Return the properties that names of recordings contain.

    Raises:
        SettingsError: if the pattern is wrong, or no name fits it.
    """
    expression = name_pattern(pattern)
    names: list[str] = files["file"].to_list()
    fitting = {name: found.groupdict() for name in names if (found := expression.fullmatch(name))}
    if not fitting:
        raise SettingsError(
            f"no name fits the pattern {pattern!r}; the first is {names[0] if names else 'missing'}",
            "A field in braces is text without '/'; * stands for text to be ignored.",
        )
    n_left = len(set(names)) - len(fitting)
    notes = [f"{n_left} of {len(set(names))} names do not fit the name pattern"] if n_left else []
    columns = {each: [fitting.get(name, {}).get(each) for name in names] for each in expression.groupindex}
    return RecordingGroups(_groupings(columns, names, notes), [], notes)


def groups_by_table(path: Path, files: pl.DataFrame) -> RecordingGroups:
    """Return the properties in a CSV table with a column ``file``; ``channel`` and ``label`` are optional.

    Raises:
        SettingsError: if the table cannot be read, names a row twice, or knows none of the recordings.
    """
    import polars as pl
    from polars.exceptions import PolarsError

    try:
        table = pl.read_csv(path.read_bytes(), infer_schema=False)
    except (OSError, PolarsError) as fault:
        raise SettingsError(f"{path}: cannot be read as CSV ({fault})") from fault
    if "file" not in table.columns:
        raise SettingsError(
            f"{path}: no column 'file'", "It has the names of recordings as in the file table, and columns about them."
        )
    keys = ["file", "channel"] if "channel" in table.columns else ["file"]
    if table.select(keys).is_duplicated().any():
        twice = table.filter(table.select(keys).is_duplicated())["file"][0]
        raise SettingsError(f"{path}: a recording has two rows ({twice})", "Keep one row each.")
    found = files.select("file", "channel").join(
        table.with_columns(known=pl.lit(True)), on=keys, how="left", maintain_order="left"
    )
    n_known = int(found["known"].sum() or 0)
    if not n_known:
        raise SettingsError(f"{path}: no recording of the results is in it", "Names are those of the column 'file'.")
    notes = [f"{len(files) - n_known} of {len(files)} rows are not in {path.name}"] if n_known < len(files) else []
    others = [name for name in table.columns if name not in ("file", "channel", "label")]
    columns: dict[str, list[str | None]] = {name: found[name].to_list() for name in others}
    truth = [_as_label(each) for each in found["label"].to_list()] if "label" in table.columns else []
    return RecordingGroups(_groupings(columns, files["file"].to_list(), notes), truth, notes)


def _groupings(columns: dict[str, list[str | None]], names: Sequence[str], notes: list[str]) -> list[Grouping]:
    """Return what can be grouped by; a text that no two recordings share makes no group."""
    found: list[Grouping] = []
    for name, values in columns.items():
        if name == "date":
            found.append(Grouping("date", "date", [_as_date(value) for value in values]))
            if "hour" not in columns and "time" not in columns and any(_hour_of_date(value) for value in values):
                found.append(Grouping("hour", "hour", [_hour_of_date(value) for value in values]))
        elif name in ("hour", "time"):
            found.append(Grouping("hour", "hour", [_as_hour(value) for value in values]))
        else:
            kept = [value.strip() or None if value else None for value in values]
            recordings = Counter(value for _, value in {*zip(names, kept, strict=True)} if value)
            if not recordings or (max(recordings.values()) == 1 and len(set(names)) > 1):
                continue
            if len(recordings) > MAX_VALUES:
                notes.append(f"{name} has {len(recordings)} different values and is left out of the trends")
            else:
                found.append(Grouping(name, "text", kept))
    return [each for each in found if any(each.values)]


def _as_date(text: str | None) -> str | None:
    found = _DATE.fullmatch(text.strip()) if text else None
    if not found:
        return None
    try:
        return date(int(found[1]), int(found[2]), int(found[3])).isoformat()
    except ValueError:
        return None


def _hour_of_date(text: str | None) -> str | None:
    found = _DATE.fullmatch(text.strip()) if text else None
    return _as_hour(found[4]) if found and found[4] else None


def _as_hour(text: str | None) -> str | None:
    found = _HOUR.fullmatch(text.strip()) if text else None
    return f"{int(found[1]):02d}" if found and int(found[1]) < 24 else None


def _as_label(text: str | None) -> str | None:
    return normalise_label(text) if text and text.strip() else None
