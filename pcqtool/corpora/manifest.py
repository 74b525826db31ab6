"""A corpus of one's own: a table of files and labels in the Hugging Face audiofolder form."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from pcqtool.corpora.base import Utterance
from pcqtool.corpora.rows import READERS, Row, read
from pcqtool.errors import CorpusError, PcqtoolError
from pcqtool.labels import canonical, in_order

REQUIRED = ("file_name", "label")


class Manifest:
    """A CSV, TSV, JSONL or Parquet file, or a folder that holds one named ``metadata``.

    Columns: ``file_name`` (relative to the manifest's folder) and ``label``; and, where known, ``speaker``,
    ``session``, ``text_id``, ``start_s``, ``end_s``, ``channel``. Others are passed over.
    """

    name: ClassVar[str] = "manifest"
    title: ClassVar[str] = "Your own recordings, from a table of files and labels"
    citation: ClassVar[str] = ""
    licence: ClassVar[str] = ""
    url: ClassVar[str | None] = None

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that occur, in the order of the vocabulary; reads the manifest.

        Raises:
            CorpusError: as ``utterances`` does.
        """
        return in_order(utterance.label for utterance in self._utterances)

    def utterances(self) -> list[Utterance]:
        """Give the utterances in the order of the manifest.

        Raises:
            CorpusError: if a column or a file is missing, a label is unknown, an utterance is listed twice or a
                time is impossible; with the line of the first fault, and how many there are.
        """
        return list(self._utterances)

    @cached_property
    def _utterances(self) -> tuple[Utterance, ...]:
        table = _table(self.root)
        found, faults = _check(table.parent, read(table))
        if faults:
            number, fault = faults[0]
            more = f" ({len(faults)} faults in all)" if len(faults) > 1 else ""
            place = "row" if table.suffix.lower() == ".parquet" else "line"
            raise CorpusError(f"{table}, {place} {number}: {fault.what}{more}", fault.hint)
        if not found:
            raise CorpusError(f"{table}: no utterances", f"It needs the columns {' and '.join(REQUIRED)}, and rows.")
        return tuple(found)


def _table(root: Path) -> Path:
    """Find the manifest file: ``root`` itself, or the one called ``metadata`` in it."""
    if not root.is_dir():
        return root
    tables = [path for suffix in READERS if (path := root / f"metadata{suffix}").is_file()]
    if len(tables) == 1:
        return tables[0]
    what = f"{len(tables)} manifests" if tables else "no metadata.csv or metadata.jsonl"
    raise CorpusError(f"{root}: {what} in this folder", "Give the manifest file itself as --root.")


def _check(folder: Path, rows: Iterable[tuple[int, Row]]) -> tuple[list[Utterance], list[tuple[int, PcqtoolError]]]:
    """Sort rows into utterances and faults, both in the order of the file."""
    lines: dict[tuple[object, ...], int] = {}
    found: list[Utterance] = []
    faults: list[tuple[int, PcqtoolError]] = []
    for number, row in rows:
        try:
            utterance = _utterance(folder, row)
            first = lines.setdefault(_stretch(utterance), number)
            if first != number:
                raise CorpusError(f"the same recording as in line {first}", "List every stretch of audio once.")
            found.append(utterance)
        except PcqtoolError as fault:
            faults.append((number, fault))
    return found, faults


def _utterance(folder: Path, row: Row) -> Utterance:
    file_name, label = _text(row, "file_name"), _text(row, "label")
    if file_name is None or label is None:
        absent = " and ".join(column for column in REQUIRED if _text(row, column) is None)
        raise CorpusError(f"no {absent}", f"The columns are: {', '.join(map(str, row))}.")
    path = folder / file_name
    if not path.is_file():
        raise CorpusError(f"no such file: {path}", f"file_name is relative to {folder}.")
    start_s, end_s, channel = _number(row, "start_s"), _number(row, "end_s"), _number(row, "channel")
    if end_s is not None and end_s <= (start_s or 0.0):
        raise CorpusError(f"end_s {end_s:g} is not after start_s {start_s or 0.0:g}")
    if channel is not None and not channel.is_integer():
        raise CorpusError(f"channel is {channel:g}, not a whole number")
    return Utterance(
        path,
        canonical(label),
        speaker=_text(row, "speaker"),
        session=_text(row, "session"),
        text_id=_text(row, "text_id"),
        start_s=start_s,
        end_s=end_s,
        channel=None if channel is None else int(channel),
    )


def _stretch(utterance: Utterance) -> tuple[object, ...]:
    """Give what two rows must not have in common."""
    return os.path.normpath(utterance.path), utterance.start_s, utterance.end_s, utterance.channel


def _text(row: Row, column: str) -> str | None:
    """Read a cell as text; empty and NaN are None, and a whole number (a speaker, say) has no ``.0``."""
    value = row.get(column)
    if isinstance(value, float):
        if math.isnan(value):
            return None
        value = int(value) if value.is_integer() else value
    text = "" if value is None else str(value).strip()
    return text or None


def _number(row: Row, column: str) -> float | None:
    text = _text(row, column)
    if text is None:
        return None
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise CorpusError(f"{column} is {text!r}, not a number from 0 on")
    return number
