"""SAVEE: acted British English, 4 men × 120 sentences in 7 emotions, 480 files."""

from __future__ import annotations

import re
from pathlib import Path

from pcqtool.corpora import Expected, Utterance, utterances_from_names

EMOTIONS = {
    "a": "anger",
    "d": "disgust",
    "f": "fear",
    "h": "happiness",
    "n": "neutral",
    "sa": "sadness",
    "su": "surprise",
}
NAME = r"(?P<speaker>DC|JE|JK|KL)[/_]?(?P<emotion>sa|su|[adfhn])(?P<number>0[1-9]|[12]\d|30)"
COMMON = 3
SPOKEN_NEUTRALLY = ("a", "d", "f", "su", "sa", "h")


class SAVEE:
    """``AudioData/DC/a01.wav`` and so on, as released, or all in one folder as ``DC_a01.wav``."""

    name = "savee"
    title = "Surrey Audio-Visual Expressed Emotion database (SAVEE)"
    labels = tuple(EMOTIONS.values())
    citation = (
        "S. Haq, P. J. B. Jackson: Multimodal Emotion Recognition. "
        "In W. Wang (ed.): Machine Audition: Principles, Algorithms and Systems. IGI Global, 2010."
    )
    licence = "Free for research after registration."
    commercial_use = False
    url = "http://kahlan.eps.surrey.ac.uk/savee/"
    expected = Expected(
        by_label={label: 120 if label == "neutral" else 60 for label in EMOTIONS.values()},
        by_speaker=dict.fromkeys(("DC", "JE", "JK", "KL"), 120),
        exhaustive=False,  # video may be beside them
    )

    def __init__(self, root: Path) -> None:
        self.root = root

    def utterances(self) -> list[Utterance]:
        """Return all recordings; ``text_id`` is the same wherever the same sentence is spoken."""
        example = "DC/a01.wav or DC_a01.wav: speaker, emotion, number"
        return utterances_from_names(self.title, self.root, NAME, example, _utterance)


def _utterance(path: Path, part: re.Match[str]) -> Utterance:
    emotion = part["emotion"].lower()
    text = _text(emotion, int(part["number"]))
    return Utterance(path, EMOTIONS[emotion], speaker=part["speaker"].upper(), text_id=text)


def _text(emotion: str, number: int) -> str:
    """Return a name for the sentence: the emotion that it belongs to, and its number there.

    The first three are common to all emotions. The next two of each emotion are its own, and neutral 16 to 30 are
    the common ones and those two of every emotion, spoken once more.
    """
    if emotion == "n" and number > 15:
        number -= 15
        if number > COMMON:
            place, second = divmod(number - COMMON - 1, 2)
            emotion, number = SPOKEN_NEUTRALLY[place], COMMON + 1 + second
    return f"common{number:02}" if number <= COMMON else f"{emotion}{number:02}"
