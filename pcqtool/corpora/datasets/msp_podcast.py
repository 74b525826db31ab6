"""MSP-Podcast: English from podcasts, some thousand speakers, 8 emotions, 62 000 to 265 000 turns by release."""

from __future__ import annotations

import re
from pathlib import Path

from pcqtool.corpora import CorpusError, Expected, Utterance, read_table, require_recordings

EMOTIONS = {
    "A": "anger",
    "C": "contempt",
    "D": "disgust",
    "F": "fear",
    "H": "happiness",
    "N": "neutral",
    "S": "sadness",
    "U": "surprise",
}
LEFT_OUT = frozenset({"O", "X", ""})  # another emotion; no agreement; not published (Test3)
TABLES = ("labels_con[sc]ensus.csv", "*/labels_con[sc]ensus.csv", "*/*/labels_con[sc]ensus.csv")
NAME = re.compile(r"MSP-PODCAST_(?:(?P<podcast>\d+)|test3)_\d+(?:_\d+)?\.wav")
NEVER_THERE = frozenset({"MSP-PODCAST_1909_1017.wav"})  # release 2.0 labels it without containing it

HINT = "Pass the folder of one release, which contains Labels/ and Audios/."


class MSPPodcast:
    """``Labels/labels_consensus.csv`` and ``Audios/``, in releases 1.x and 2.0; all parts, train to test.

    Turns of another emotion (``O``), without agreement (``X``) or with an unpublished label are left out. A session is
    a podcast. Not every speaker is known, so protocols by speaker refuse; ``session`` works.
    """

    name = "msp-podcast"
    title = "MSP-Podcast corpus"
    labels = tuple(EMOTIONS.values())
    citation = (
        "R. Lotfian, C. Busso: Building Naturalistic Emotionally Balanced Speech Corpus by Retrieving Emotional Speech "
        "from Existing Podcast Recordings. IEEE Transactions on Affective Computing 10(4), 2019."
    )
    licence = "For research after an agreement between your institution and the University of Texas at Dallas."
    commercial_use = False
    url = "https://www.lab-msp.com/MSP/MSP-Podcast.html"
    expected = Expected(exhaustive=False)  # releases differ in size; turns without a class are left out

    def __init__(self, root: Path) -> None:
        self.root = root

    def utterances(self) -> list[Utterance]:
        """Return the labelled turns, sorted by name."""
        table = self._table()
        folder = self._recordings(table.parent)
        found = []
        for number, row in read_table(table):
            name, code = row.get("FileName") or "", row.get("EmoClass") or ""
            match = NAME.fullmatch(name)
            if not match or code not in {*EMOTIONS, *LEFT_OUT}:
                raise CorpusError(f"{table}, line {number}: not a line of MSP-Podcast: {name!r} of class {code!r}")
            if code in EMOTIONS and not (name in NEVER_THERE and not (folder / name).is_file()):
                speaker = row.get("SpkrID") or "Unknown"
                known = None if speaker == "Unknown" else speaker
                found.append(Utterance(folder / name, EMOTIONS[code], speaker=known, session=match["podcast"]))
        found.sort(key=lambda utterance: utterance.path.name)
        return require_recordings(
            self.title, found, "Unpack all archives of one release; labels and recordings must match."
        )

    def _table(self) -> Path:
        for pattern in TABLES:
            found = sorted(path for path in self.root.glob(pattern) if not path.name.startswith("."))
            if len(found) > 1:
                raise CorpusError(f"{self.title}: {len(found)} tables of labels, first {found[0]}", HINT)
            if found:
                return found[0]
        raise CorpusError(f"{self.title}: no labels_consensus.csv in {self.root}", HINT)

    def _recordings(self, labels: Path) -> Path:
        """Find the folder of recordings beside the labels, or beside their folder."""
        for parent in (labels, labels.parent):
            for folder in sorted(parent.iterdir()):
                if folder.is_dir() and folder.name.lower() in {"audios", "audio"}:
                    return folder
        raise CorpusError(f"{self.title}: no folder Audios beside {labels}", HINT)
