"""CREMA-D: acted American English, 91 speakers × 12 sentences × 6 emotions, 7 442 files."""

from __future__ import annotations

import re
from pathlib import Path

from pcqtool.corpora import CorpusError, Expected, Utterance, find_files, utterances_from_names

EMOTIONS = {
    "ANG": "anger",
    "DIS": "disgust",
    "FEA": "fear",
    "HAP": "happiness",
    "NEU": "neutral",
    "SAD": "sadness",
}
TEXTS = ("DFA", "IEO", "IOM", "ITH", "ITS", "IWL", "IWW", "MTI", "TAI", "TIE", "TSI", "WSI")
# The last part is the intensity: low, medium, high or unspecified; one release has 1040_ITH_SAD_X.wav.
NAME = rf"(?P<actor>10\d\d)_(?P<text>{'|'.join(TEXTS)})_(?P<emotion>{'|'.join(EMOTIONS)})_(?:LO|MD|HI|XX?)"
SILENT = "1076_MTI_SAD_XX"  # according to the owners
POINTER = b"version https://git-lfs"


class CREMAD:
    """``AudioWAV/1001_DFA_ANG_XX.wav`` and so on; labels are the acted emotions, not the perceived ones."""

    name = "crema-d"
    title = "Crowd-sourced Emotional Multimodal Actors Dataset (CREMA-D)"
    labels = tuple(EMOTIONS.values())
    citation = (
        "H. Cao, D. G. Cooper, M. K. Keutmann, R. C. Gur, A. Nenkova, R. Verma: CREMA-D: Crowd-sourced Emotional "
        "Multimodal Actors Dataset. IEEE Transactions on Affective Computing 5(4), 2014."
    )
    licence = "Open Database License 1.0, its contents under the Database Contents License 1.0."
    commercial_use = True
    url = "https://github.com/CheyneyComputerScience/CREMA-D"
    expected = Expected(
        by_label={"anger": 1271, "disgust": 1271, "fear": 1271, "happiness": 1271, "neutral": 1087, "sadness": 1270},
        exhaustive=False,  # MP3 copies and video may be beside them
    )

    def __init__(self, root: Path) -> None:
        self.root = root

    def utterances(self) -> list[Utterance]:
        """Return all recordings but the silent one; ``text_id`` is one of twelve sentences."""
        for path in find_files(self.root, ".wav")[:1]:
            with path.open("rb") as file:
                if file.read(len(POINTER)) == POINTER:
                    raise CorpusError(
                        f"{self.title}: {path} is a pointer of Git LFS, not a recording",
                        "Run 'git lfs pull' in the clone; an archive from GitHub does not contain the recordings.",
                    )
        return utterances_from_names(
            self.title, self.root, NAME, "1001_DFA_ANG_XX.wav: actor, text, emotion, intensity", _utterance
        )


def _utterance(path: Path, part: re.Match[str]) -> Utterance | None:
    if path.stem.upper() == SILENT:
        return None
    return Utterance(path, EMOTIONS[part["emotion"].upper()], speaker=part["actor"], text_id=part["text"].upper())
