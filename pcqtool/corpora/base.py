"""The interface of a corpus: a list of labelled utterances below one root folder."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable


@dataclass(frozen=True)
class Utterance:
    """One labelled utterance.

    Unknown values are None. ``start_s`` and ``end_s`` (seconds) are then the start and the end of the file, and
    ``channel`` (counted from 0) means all channels mixed. A split can leak information through speakers, sessions and
    texts; ``text_id`` identifies the spoken text if several utterances share it.
    """

    path: Path
    label: str
    speaker: str | None = None
    session: str | None = None
    text_id: str | None = None
    start_s: float | None = None
    end_s: float | None = None
    channel: int | None = None

    @property
    def excerpt(self) -> tuple[object, ...]:
        """Path, start, end and channel: no two utterances of a corpus may have the same."""
        return os.path.normpath(self.path), self.start_s or 0.0, self.end_s, self.channel


def fingerprint_entries(utterances: Iterable[Utterance]) -> list[dict[str, Any]]:
    """Return JSON values that identify utterances in a fingerprint: file names and sizes, but not the folders."""
    return [
        asdict(each) | {"path": each.path.name, "size": each.path.stat().st_size if each.path.is_file() else None}
        for each in utterances
    ]


@runtime_checkable
class Corpus(Protocol):
    """The interface of a class that is registered under the entry-point group ``pcqtool.corpora``.

    It lists utterances and does nothing else: it neither reads audio nor splits the corpus. Its module imports neither
    torch nor numpy. ``pcqtool.corpora.testing.check`` tests all this on a folder.

    Three more attributes are optional (see ``pcqtool.corpora.release``): ``downloads``, the files of
    ``corpora fetch``; ``expected``, the contents of a complete copy; and ``commercial_use``, whether the licence
    allows it, also to a model that is trained on the corpus.
    """

    name: ClassVar[str]
    """The registered name."""
    title: ClassVar[str]
    """The full name."""
    citation: ClassVar[str]
    """The publication to cite."""
    licence: ClassVar[str]
    """The terms of use, in one sentence."""
    url: ClassVar[str | None]
    """The address for downloads or applications."""

    def __init__(self, root: Path) -> None:
        """Store the root folder (or file) of the corpus; nothing is read yet."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes, from ``pcqtool.labels.VOCABULARY``; a class attribute is enough."""

    def utterances(self) -> list[Utterance]:
        """List all utterances, in an order that depends only on the corpus.

        Raises:
            CorpusError: if a file is missing or invalid, or there are no utterances. Raise the subclass
                ``pcqtool.corpora.faults.FaultsError`` to report several faults.
        """


@runtime_checkable
class AcceptsLabels(Protocol):
    """Optional interface of a corpus whose files may contain any labels, which a label map then translates."""

    def accepting(self, labels: Collection[str]) -> Corpus:
        """Return the same corpus, which now lists these labels (in lower case) unchanged."""
