"""ESD: acted English and Mandarin, 20 speakers × 350 sentences × 5 emotions, 35 000 files."""

from __future__ import annotations

import re
from pathlib import Path

from pcqtool.corpora import CorpusError, Expected, Utterance, utterances_from_names

# In the order of the numbers: 000001 to 000350 are neutral, the next 350 angry, and so on.
EMOTIONS = {
    "neutral": "neutral",
    "angry": "anger",
    "happy": "happiness",
    "sad": "sadness",
    "surprise": "surprise",
}
N_TEXTS = 350
NAME = r"(?P<speaker>00(?:0[1-9]|1\d|20))_(?P<number>\d{6})"
MANDARIN = range(1, 11)


class ESD:
    """``0001/Angry/0001_000351.wav`` and so on, with or without the folders train, evaluation and test.

    Every speaker speaks the same 350 sentences of their language in every emotion, in the same order, so emotion and
    sentence follow from a file's number, and the transcripts (in four encodings) need not be read.
    """

    name = "esd"
    title = "Emotional Speech Dataset (ESD)"
    labels = tuple(EMOTIONS.values())
    citation = (
        "K. Zhou, B. Sisman, R. Liu, H. Li: Emotional voice conversion: Theory, databases and ESD. "
        "Speech Communication 137, 2022."
    )
    licence = "For research only, after signing the licence."
    commercial_use = False
    url = "https://github.com/HLTSingapore/Emotional-Speech-Data"
    expected = Expected(
        by_label=dict.fromkeys(labels, 7000),
        by_speaker=dict.fromkeys((f"{speaker:04}" for speaker in range(1, 21)), 5 * N_TEXTS),
    )

    def __init__(self, root: Path) -> None:
        self.root = root

    def utterances(self) -> list[Utterance]:
        """Return all recordings; ``text_id`` is language and sentence (``zh-001``)."""
        return utterances_from_names(self.title, self.root, NAME, "0001_000351.wav: speaker, number", self._utterance)

    def _utterance(self, path: Path, part: re.Match[str]) -> Utterance:
        place, text = divmod(int(part["number"]) - 1, N_TEXTS)
        emotion = dict(enumerate(EMOTIONS)).get(place)
        folders = EMOTIONS.keys() & {each.lower() for each in path.relative_to(self.root).parts}
        if emotion is None or folders - {emotion}:
            raise CorpusError(
                f"has a number of {emotion or 'no emotion'}",
                "The numbers are 1 to 350 for neutral, then 350 each for angry, happy, sad and surprise.",
            )
        language = "zh" if int(part["speaker"]) in MANDARIN else "en"
        return Utterance(path, EMOTIONS[emotion], speaker=part["speaker"], text_id=f"{language}-{text + 1:03}")
