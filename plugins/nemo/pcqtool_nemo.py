"""nEMO: acted Polish, 9 speakers × 90 sentences × 6 emotions, 4 481 files."""

from __future__ import annotations

import re
from pathlib import Path

from pcqtool.corpora import Download, Expected, Utterance, canonical, utterances_from_names

EMOTIONS = ("anger", "fear", "happiness", "neutral", "sadness", "surprised")
NAME = rf"(?P<speaker>[A-Z]{{2}}0)_(?P<emotion>{'|'.join(EMOTIONS)})_(?P<sentence>[1-9]\d?)"


class NEMO:
    """``samples/EB0_anger_1.wav`` and so on: speaker, emotion and sentence, at any depth.

    ``data.tsv``, which has the words of the sentences, is not needed: it states the same as the names.
    """

    name = "nemo"
    title = "nEMO: Dataset of Emotional Speech in Polish"
    labels = tuple(canonical(emotion) for emotion in EMOTIONS)
    citation = "I. Christop: nEMO: Dataset of Emotional Speech in Polish. LREC-COLING 2024."
    licence = "CC BY-NC-SA 4.0."
    commercial_use = False
    url = "https://github.com/amu-cai/nEMO"
    downloads = (
        Download(f"{url}/archive/66de9999a8f2f605eb5f64841790aa5cb0877782.zip", hosts=("codeload.github.com",)),
    )
    expected = Expected(
        by_label={"anger": 749, "fear": 736, "happiness": 749, "neutral": 809, "sadness": 769, "surprise": 669},
        by_speaker=dict.fromkeys(("IC0", "KD0", "KS0"), 540)
        | dict.fromkeys(("EB0", "TP0", "WR0"), 539)
        | {"SM0": 538, "MK0": 450, "MP0": 256},
    )

    def __init__(self, root: Path) -> None:
        self.root = root

    def utterances(self) -> list[Utterance]:
        """Return all recordings; ``text_id`` is the number of the sentence, which all speakers share."""
        example = "EB0_anger_1.wav: speaker, emotion, sentence"
        return utterances_from_names(self.title, self.root, NAME, example, _utterance)


def _utterance(path: Path, part: re.Match[str]) -> Utterance:
    return Utterance(path, canonical(part["emotion"]), speaker=part["speaker"].upper(), text_id=part["sentence"])
