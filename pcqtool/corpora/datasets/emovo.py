"""EMOVO: acted Italian, 6 speakers × 14 sentences × 7 emotions, 588 files."""

from __future__ import annotations

import re
from pathlib import Path

from pcqtool.corpora import Expected, Utterance, utterances_from_names

# The letters stand for the Italian names: disgusto, gioia, neutro, paura, rabbia, sorpresa, tristezza.
EMOTIONS = {
    "dis": "disgust",
    "gio": "happiness",
    "neu": "neutral",
    "pau": "fear",
    "rab": "anger",
    "sor": "surprise",
    "tri": "sadness",
}
NAME = rf"(?P<emotion>{'|'.join(EMOTIONS)})-(?P<speaker>[fm][123])-(?P<text>b[1-3]|l[1-4]|n[1-5]|d[12])"


class EMOVO:
    """``f1/dis-f1-b1.wav`` and so on, at any depth."""

    name = "emovo"
    title = "EMOVO, an Italian emotional speech database"
    labels = tuple(EMOTIONS.values())
    citation = (
        "G. Costantini, I. Iaderola, A. Paoloni, M. Todisco: EMOVO Corpus: an Italian Emotional Speech Database. "
        "LREC 2014."
    )
    licence = "Free for research; attribute the authors."
    commercial_use = False
    url = "http://voice.fub.it/activities/corpora/emovo/index.html"
    expected = Expected(
        by_label=dict.fromkeys(labels, 84), by_speaker=dict.fromkeys(("f1", "f2", "f3", "m1", "m2", "m3"), 98)
    )

    def __init__(self, root: Path) -> None:
        self.root = root

    def utterances(self) -> list[Utterance]:
        """Return all recordings; ``text_id`` is one of 14 sentences."""
        return utterances_from_names(self.title, self.root, NAME, "dis-f1-b1.wav: emotion, speaker, text", _utterance)


def _utterance(path: Path, part: re.Match[str]) -> Utterance:
    emotion, speaker, text = (part[name].lower() for name in ("emotion", "speaker", "text"))
    return Utterance(path, EMOTIONS[emotion], speaker=speaker, text_id=text)
