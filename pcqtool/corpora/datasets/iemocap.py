"""IEMOCAP: dialogues of ten actors in five sessions, with the four classes that publications use."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from pcqtool.corpora import CorpusError, Expected, Fault, FaultKind, FaultsError, Utterance, require_recordings

CODES = {"ang": "anger", "exc": "happiness", "hap": "happiness", "neu": "neutral", "sad": "sadness"}
LEFT_OUT = frozenset({"dis", "fea", "fru", "oth", "sur", "xxx"})  # xxx: no agreement of the annotators

# A letter after the number (script01_1b, impro05a) marks another take of the same script or scenario.
NAME = re.compile(
    r"(?P<dialog>(?P<session>Ses\d\d)[FM]_(?:(?P<script>script\d+_\d+)[a-z]?|impro\d+[a-z]?))_(?P<speaker>[FM])\w+"
)
LINE = re.compile(r"\[\s*[\d.]+\s*-\s*[\d.]+\s*\]\s+(?P<utterance>\S+)\s+(?P<code>\S+)\s+\[.*\]\s*")


class IEMOCAP:
    """IEMOCAP in its published layout: ``root/Session1`` … ``Session5``, each with ``dialog/`` and ``sentences/``.

    Happy and excited are one class, scripted and improvised dialogues are both used, and utterances with other labels
    are left out: 5 531 remain. A dialogue's name states who wears the motion-capture markers (``Ses01F_``); the last
    part of an utterance's name states who speaks (``_M003``).
    """

    name: ClassVar[str] = "iemocap"
    title: ClassVar[str] = "Interactive Emotional Dyadic Motion Capture Database (IEMOCAP)"
    labels: ClassVar[tuple[str, ...]] = ("anger", "happiness", "neutral", "sadness")
    citation: ClassVar[str] = (
        "C. Busso, M. Bulut, C.-C. Lee, A. Kazemzadeh, E. Mower, S. Kim, J. N. Chang, S. Lee, S. S. Narayanan: "
        "IEMOCAP: Interactive emotional dyadic motion capture database. Language Resources and Evaluation 42, 2008."
    )
    licence: ClassVar[str] = (
        "Free for research after signing the release form of the University of Southern California."
    )
    commercial_use: ClassVar[bool | None] = False
    url: ClassVar[str | None] = "https://sail.usc.edu/iemocap/iemocap_release.htm"
    expected: ClassVar[Expected] = Expected(
        by_label={"anger": 1103, "happiness": 1636, "neutral": 1708, "sadness": 1084}, exhaustive=False
    )

    def __init__(self, root: Path) -> None:
        self.root = root

    def utterances(self) -> list[Utterance]:
        """List the labelled utterances by session, dialogue and position; ``text_id`` is the script, if any.

        ``start_s`` and ``end_s`` are None: each file contains one utterance.

        Raises:
            CorpusError: if there are no sessions, a label line cannot be read, or a labelled file is missing.
        """
        evaluations = sorted(self.root.glob("Session[1-5]/dialog/EmoEvaluation"))
        if not evaluations:
            raise CorpusError(
                f"IEMOCAP: no Session*/dialog/EmoEvaluation in {self.root}",
                "Pass the folder that contains Session1 to Session5.",
            )
        listed = [each for folder in evaluations for table in _tables(folder) for each in _read(table)]
        found = [each for each in listed if isinstance(each, Utterance)]
        unread = [each for each in listed if isinstance(each, Fault)]
        if unread:
            raise FaultsError(f"IEMOCAP: {unread[0].path}, {unread[0].what}", "", unread, found)
        return require_recordings("IEMOCAP", found, "Unpack the release again; sentences/wav must be complete.")


def _tables(folder: Path) -> list[Path]:
    """List the label files of a session, without the ``._`` files of macOS in the release."""
    return sorted(path for path in folder.glob("Ses*.txt") if path.is_file())


def _read(table: Path) -> Iterator[Utterance | Fault]:
    """Read one dialogue's label lines; the lines between them are the labels of single annotators."""
    for number, line in enumerate(table.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        if line.startswith("["):
            match = LINE.fullmatch(line)
            name = match and NAME.fullmatch(match["utterance"])
            if not match or not name or match["code"] not in {*CODES, *LEFT_OUT}:
                yield Fault(FaultKind.LISTING, f"line {number} is not a label line: {line.strip()}", table)
            elif match["code"] in CODES:
                yield _utterance(table, name, CODES[match["code"]])


def _utterance(table: Path, name: re.Match[str], label: str) -> Utterance:
    session = table.parents[2]
    return Utterance(
        session / "sentences" / "wav" / name["dialog"] / f"{name[0]}.wav",
        label,
        speaker=f"{name['session']}_{name['speaker']}",
        session=name["session"],
        text_id=name["script"],
    )
