"""The Berlin Database of Emotional Speech: acted German, 10 speakers × 10 sentences × 7 emotions, 535 files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import ClassVar

from pcqtool.corpora import CorpusError, Download, Expected, Fault, FaultKind, FaultsError, Utterance

# First letters of the German names: Wut, Langeweile, Ekel, Angst, Freude, neutral, Trauer.
EMOTIONS = {
    "W": "anger",
    "L": "boredom",
    "E": "disgust",
    "A": "fear",
    "F": "happiness",
    "N": "neutral",
    "T": "sadness",
}
MEN = ("03", "10", "11", "12", "15")
WOMEN = ("08", "09", "13", "14", "16")
TEXTS = ("a01", "a02", "a04", "a05", "a07", "b01", "b02", "b03", "b09", "b10")
NAME = re.compile(
    rf"(?P<speaker>{'|'.join(MEN + WOMEN)})(?P<text>{'|'.join(TEXTS)})(?P<emotion>[{''.join(EMOTIONS)}])[a-z]\.wav"
)


class EmoDB:
    """EMO-DB in its published layout: ``root/wav/03a01Fa.wav`` and so on, or the files in ``root`` itself."""

    name: ClassVar[str] = "emodb"
    title: ClassVar[str] = "Berlin Database of Emotional Speech (EMO-DB)"
    labels: ClassVar[tuple[str, ...]] = tuple(EMOTIONS.values())
    citation: ClassVar[str] = (
        "F. Burkhardt, A. Paeschke, M. Rolfes, W. Sendlmeier, B. Weiss: "
        "A Database of German Emotional Speech. Interspeech 2005."
    )
    licence: ClassVar[str] = "Free to download and use; attribute the authors."
    commercial_use: ClassVar[bool | None] = True
    url: ClassVar[str | None] = "http://emodb.bilderbar.info/download/"
    downloads: ClassVar[tuple[Download, ...]] = (Download("http://emodb.bilderbar.info/download/download.zip"),)
    expected: ClassVar[Expected] = Expected(
        by_label={
            "anger": 127,
            "boredom": 81,
            "disgust": 46,
            "fear": 69,
            "happiness": 71,
            "neutral": 79,
            "sadness": 62,
        },
        by_speaker={
            "03": 49,
            "08": 58,
            "09": 43,
            "10": 38,
            "11": 55,
            "12": 35,
            "13": 61,
            "14": 69,
            "15": 56,
            "16": 71,
        },
        digests=Path(__file__).with_name("emodb.digests"),
    )

    def __init__(self, root: Path) -> None:
        self.root = root

    def utterances(self) -> list[Utterance]:
        """List every file, sorted by name; ``text_id`` is one of the ten sentences.

        Raises:
            CorpusError: if there are no files, or files with other names.
        """
        folder = self.root / "wav" if (self.root / "wav").is_dir() else self.root
        if not folder.is_dir():
            raise CorpusError(f"EMO-DB: {folder} is not a folder", "Pass the folder that contains wav/.")
        files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
        if not files:
            raise CorpusError(f"EMO-DB: no recordings in {folder}", "Pass the folder that contains wav/.")
        found = [_utterance(path, match) for path in files if (match := NAME.fullmatch(path.name))]
        if len(found) < len(files):
            raise _misnamed([path for path in files if not NAME.fullmatch(path.name)], found)
        return found


def _utterance(path: Path, match: re.Match[str]) -> Utterance:
    return Utterance(path, EMOTIONS[match["emotion"]], speaker=match["speaker"], text_id=match["text"])


def _misnamed(paths: list[Path], found: list[Utterance]) -> FaultsError:
    return FaultsError(
        f"EMO-DB: {paths[0]} does not have a file name of this corpus (03a01Fa.wav: speaker, text, emotion, version)",
        "Move it elsewhere, or use the corpus 'manifest' for your own recordings.",
        [Fault(FaultKind.EXTRA, "does not have a file name of this corpus", path) for path in paths],
        found,
    )
