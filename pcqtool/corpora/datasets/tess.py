"""TESS: acted Canadian English, 2 women × 200 words × 7 emotions, 2 800 files."""

from __future__ import annotations

import re
from pathlib import Path

from pcqtool.corpora import Expected, Utterance, utterances_from_names

EMOTIONS = {
    "angry": "anger",
    "disgust": "disgust",
    "fear": "fear",
    "happy": "happiness",
    "neutral": "neutral",
    "ps": "surprise",  # pleasant surprise
    "sad": "sadness",
}
# Folder names are spelt unevenly (OAF_Pleasant_surprise, YAF_pleasant_surprised). File names are regular but for
# one, which lacks a letter of its speaker: OA_bite_neutral.wav.
NAME = rf"(?P<age>O|Y)AF?_(?P<word>[a-z]+)_(?P<emotion>{'|'.join(EMOTIONS)})"


class TESS:
    """``OAF_angry/OAF_back_angry.wav`` and so on, in any folders: 'Say the word back', by the older actress."""

    name = "tess"
    title = "Toronto emotional speech set (TESS)"
    labels = tuple(EMOTIONS.values())
    citation = (
        "M. K. Pichora-Fuller, K. Dupuis: Toronto emotional speech set (TESS). "
        "Scholars Portal Dataverse, 2020. doi:10.5683/SP2/E8H2MF"
    )
    licence = "CC BY-NC 4.0."
    commercial_use = False
    url = "https://doi.org/10.5683/SP2/E8H2MF"
    expected = Expected(by_label=dict.fromkeys(labels, 400), by_speaker={"OAF": 1400, "YAF": 1400})

    def __init__(self, root: Path) -> None:
        self.root = root

    def utterances(self) -> list[Utterance]:
        """Return all recordings; ``text_id`` is the word."""
        return utterances_from_names(
            self.title, self.root, NAME, "OAF_back_angry.wav: speaker, word, emotion", _utterance
        )


def _utterance(path: Path, part: re.Match[str]) -> Utterance:
    speaker = f"{part['age'].upper()}AF"
    return Utterance(path, EMOTIONS[part["emotion"].lower()], speaker=speaker, text_id=part["word"].lower())
