"""A corpus of one's own: a table of files and labels, or folders named after labels."""

from __future__ import annotations

from collections.abc import Collection
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from pcqtool.corpora.base import Utterance
from pcqtool.corpora.faults import Fault, FaultKind, FaultsError
from pcqtool.corpora.manifest.layout import entries
from pcqtool.corpora.manifest.row import REQUIRED, ManifestRow, stretch
from pcqtool.errors import CorpusError, PcqtoolError
from pcqtool.labels import in_order


class Manifest:
    """A CSV, TSV, JSONL or Parquet file, a folder in the Hugging Face audiofolder form, or a folder for each label.

    Columns: ``file_name`` (relative to the table's folder) and ``label``; and, where known, ``speaker``, ``session``,
    ``text_id``, ``start_s``, ``end_s``, ``channel``. Others are passed over.
    """

    name: ClassVar[str] = "manifest"
    title: ClassVar[str] = "Your own recordings, from a table of files and labels"
    citation: ClassVar[str] = ""
    licence: ClassVar[str] = ""
    url: ClassVar[str | None] = None

    def __init__(self, root: Path, also: Collection[str] = ()) -> None:
        self.root = root
        self.also = frozenset(also)

    def accepting(self, labels: Collection[str]) -> Manifest:
        """Give the same manifest, with labels let through that are not of the vocabulary (in lower case)."""
        return Manifest(self.root, labels)

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that occur, in the order of the vocabulary; reads the manifest.

        Raises:
            CorpusError: as ``utterances`` does.
        """
        return in_order(utterance.label for utterance in self._utterances)

    def utterances(self) -> list[Utterance]:
        """Give the utterances in the order of the manifest, those of folders sorted by name.

        Raises:
            FaultsError: if a column or a file is missing, a label is unknown, an utterance is listed twice or a
                time is impossible; with the line of every fault, the first one's in the message.
            CorpusError: if there is no such table or folder, or nothing in it.
        """
        return list(self._utterances)

    @cached_property
    def _utterances(self) -> tuple[Utterance, ...]:
        places: dict[tuple[object, ...], str] = {}
        found: list[Utterance] = []
        faults: list[tuple[ManifestRow, PcqtoolError]] = []
        for entry in entries(self.root):
            try:
                utterance = entry.utterance(self.also)
                first = places.setdefault(stretch(utterance), entry.place)
                if first != entry.place:
                    raise CorpusError(f"the same recording as in {first}", "List every stretch of audio once.")
                found.append(utterance)
            except PcqtoolError as fault:
                faults.append((entry, fault))
        if faults:
            first_entry, first_fault = faults[0]
            named = [Fault(FaultKind.LISTING, f"{where.place}: {fault.what}", where.path) for where, fault in faults]
            raise FaultsError(f"{first_entry.place}: {first_fault.what}", first_fault.hint, named, found)
        if not found:
            raise CorpusError(
                f"{self.root}: no utterances", f"It needs the columns {' and '.join(REQUIRED)}, and rows."
            )
        return tuple(found)
