"""The corpus ``manifest``: your own recordings, from a table of files and labels or folders named after labels."""

from __future__ import annotations

from collections.abc import Collection
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from pcqtool.corpora.base import Utterance
from pcqtool.corpora.faults import Fault, FaultKind, FaultsError
from pcqtool.corpora.manifest.layout import find_rows
from pcqtool.corpora.manifest.row import REQUIRED, ManifestRow
from pcqtool.errors import CorpusError, PcqtoolError
from pcqtool.labels import sort_labels


class Manifest:
    """A CSV, TSV, JSONL or Parquet file, a folder in Hugging Face's audiofolder layout, or one folder per label.

    Required columns are ``file_name`` (relative to the table's folder) and ``label``; optional ones are ``speaker``,
    ``session``, ``text_id``, ``start_s``, ``end_s`` and ``channel``. Other columns are ignored.
    """

    name: ClassVar[str] = "manifest"
    title: ClassVar[str] = "Your own recordings, from a table of files and labels"
    citation: ClassVar[str] = ""
    licence: ClassVar[str] = ""
    url: ClassVar[str | None] = None

    def __init__(self, root: Path, accepted: Collection[str] = ()) -> None:
        self.root = root
        self.accepted = frozenset(accepted)

    def accepting(self, labels: Collection[str]) -> Manifest:
        """Return the same manifest, which now accepts these labels (in lower case) besides the vocabulary."""
        return Manifest(self.root, labels)

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that occur, in the vocabulary's order; this reads the manifest.

        Raises:
            CorpusError: as ``utterances`` does.
        """
        return sort_labels(utterance.label for utterance in self._utterances)

    def utterances(self) -> list[Utterance]:
        """List the utterances in the order of the table, or sorted by file name.

        Raises:
            FaultsError: if a column or a file is missing, a label is unknown, a time is impossible, or an excerpt is
                listed twice; with the line of every fault, and the first one in the message.
            CorpusError: if the table or folder does not exist or is empty.
        """
        return list(self._utterances)

    @cached_property
    def _utterances(self) -> tuple[Utterance, ...]:
        first_places: dict[tuple[object, ...], str] = {}
        found: list[Utterance] = []
        errors: list[tuple[ManifestRow, PcqtoolError]] = []
        for row in find_rows(self.root):
            try:
                utterance = row.utterance(self.accepted)
                first = first_places.setdefault(utterance.excerpt, row.place)
                if first != row.place:
                    raise CorpusError(f"the same excerpt as in {first}", "List every excerpt once.")
                found.append(utterance)
            except PcqtoolError as error:
                errors.append((row, error))
        if errors:
            first_row, first_error = errors[0]
            faults = [Fault(FaultKind.LISTING, f"{row.place}: {error.what}", row.path) for row, error in errors]
            raise FaultsError(f"{first_row.place}: {first_error.what}", first_error.hint, faults, found)
        if not found:
            raise CorpusError(
                f"{self.root}: no utterances", f"It needs the columns {' and '.join(REQUIRED)}, and rows."
            )
        return tuple(found)
