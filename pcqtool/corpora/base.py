"""What a corpus is to the rest of the tool: a list of labelled utterances under one folder."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable


@dataclass(frozen=True)
class Utterance:
    """One labelled stretch of speech.

    What a corpus does not know is None: ``start_s`` and ``end_s`` (seconds) then mean the beginning and the end of
    the file, ``channel`` (counted from 0) all channels together. ``speaker``, ``session`` and ``text_id`` (what is
    said, where several utterances say the same) are the groups in which a split can leak.
    """

    path: Path
    label: str
    speaker: str | None = None
    session: str | None = None
    text_id: str | None = None
    start_s: float | None = None
    end_s: float | None = None
    channel: int | None = None


def list_decisive(utterances: Iterable[Utterance]) -> list[dict[str, Any]]:
    """List, as JSON values, what decides a run on utterances: how large their files are, not where they lie."""
    return [
        asdict(each) | {"path": each.path.name, "size": each.path.stat().st_size if each.path.is_file() else None}
        for each in utterances
    ]


@runtime_checkable
class Corpus(Protocol):
    """What a class under the entry-point group ``pcqtool.corpora`` offers.

    It lists, and does nothing else: no audio is read, nothing is split. Its module imports neither torch nor numpy.
    ``pcqtool.corpora.testing.check`` tests all of it against a folder.

    A class may say more, in two attributes that ``pcqtool.corpora.release`` explains: ``downloads``, where its files
    are for ``corpora fetch``, and ``expected``, what a complete copy holds for ``corpora validate``.
    """

    name: ClassVar[str]
    """The name it is registered under."""
    title: ClassVar[str]
    """The name that people know it by."""
    citation: ClassVar[str]
    """The publication to cite."""
    licence: ClassVar[str]
    """What its owners allow, in a sentence."""
    url: ClassVar[str | None]
    """Where to get it, or to apply for it."""

    def __init__(self, root: Path) -> None:
        """Take the folder (or file) the corpus lies in; nothing is read yet."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Its classes, names of ``pcqtool.labels.VOCABULARY``; a class attribute will do."""

    def utterances(self) -> list[Utterance]:
        """Give all utterances, in an order that depends on nothing but the corpus.

        Raises:
            CorpusError: if a file is missing or is not what the corpus has, or there is none; or, where more than the
                first of such faults is known, its ``pcqtool.corpora.faults.FaultsError``.
        """


@runtime_checkable
class AcceptsLabels(Protocol):
    """What a corpus may offer whose files have labels in words of their own: a label map can then say what they are."""

    def accepting(self, labels: Collection[str]) -> Corpus:
        """Give the same corpus, with these labels (in lower case) let through as they are."""
