"""URDU: Urdu from television talk shows, 4 emotions, 400 files."""

from __future__ import annotations

import re
from pathlib import Path

from pcqtool.corpora import Download, Expected, Utterance, utterances_from_names

EMOTIONS = {"A": "anger", "H": "happiness", "N": "neutral", "S": "sadness"}
NAME = rf"(?P<speaker>S[FM]\d+)_F\d+_(?P<emotion>[{''.join(EMOTIONS)}])\d+"


class URDU:
    """``Angry/SM1_F1_A01.wav`` and so on: speaker, file of that speaker, emotion and file of that emotion.

    The authors count 38 speakers; the file names distinguish 29.
    """

    name = "urdu"
    title = "URDU dataset"
    labels = tuple(EMOTIONS.values())
    citation = (
        "S. Latif, A. Qayyum, M. Usman, J. Qadir: Cross Lingual Speech Emotion Recognition: "
        "Urdu vs. Western Languages. International Conference on Frontiers of Information Technology, 2018."
    )
    licence = "For research only."
    commercial_use = False
    url = "https://github.com/siddiquelatif/URDU-Dataset"
    downloads = (
        Download(
            "https://github.com/siddiquelatif/URDU-Dataset/archive/4b546d4e0fa36d1c86c53a281631b2ab7ce2fdec.zip",
            hosts=("codeload.github.com",),
        ),
    )
    expected = Expected(by_label=dict.fromkeys(labels, 100))

    def __init__(self, root: Path) -> None:
        self.root = root

    def utterances(self) -> list[Utterance]:
        """Return all recordings; their texts are unknown."""
        return utterances_from_names(
            self.title, self.root, NAME, "SM1_F1_A01.wav: speaker, number, emotion", _utterance
        )


def _utterance(path: Path, part: re.Match[str]) -> Utterance:
    return Utterance(path, EMOTIONS[part["emotion"].upper()], speaker=part["speaker"].upper())
