"""RAVDESS: acted North American English, 24 speakers × 2 sentences × 8 emotions, 1 440 files of speech."""

from __future__ import annotations

import re
from pathlib import Path

from pcqtool.corpora import Download, Expected, Utterance, utterances_from_names

EMOTIONS = {
    "01": "neutral",
    "02": "calm",
    "03": "happiness",
    "04": "sadness",
    "05": "anger",
    "06": "fear",
    "07": "disgust",
    "08": "surprise",
}
NAME = r"(?P<modality>0[123])-(?P<voice>0[12])-(?P<emotion>0[1-8])-0[12]-(?P<text>0[12])-0[12]-(?P<actor>[01]\d|2[0-4])"
SOUND_ONLY, SPEECH = "03", "01"


class RAVDESS:
    """``Actor_01/03-01-06-01-02-01-01.wav`` and so on, at any depth; songs beside them are left out.

    The fields: modality, speech or song, emotion, intensity (normal, strong), statement, repetition, actor.
    """

    name = "ravdess"
    title = "Ryerson Audio-Visual Database of Emotional Speech and Song (RAVDESS)"
    labels = tuple(EMOTIONS.values())
    citation = (
        "S. R. Livingstone, F. A. Russo: The Ryerson Audio-Visual Database of Emotional Speech and Song (RAVDESS): "
        "A dynamic, multimodal set of facial and vocal expressions in North American English. PLoS ONE 13(5), 2018."
    )
    licence = "CC BY-NC-SA 4.0; the owners sell commercial licences."
    commercial_use = False
    url = "https://zenodo.org/records/1188976"
    downloads = (
        Download(
            f"{url}/files/Audio_Speech_Actors_01-24.zip", "md5:bc696df654c87fed845eb13823edef8a", size_bytes=208_468_073
        ),
    )
    expected = Expected(
        by_label={label: 96 if label == "neutral" else 192 for label in EMOTIONS.values()},
        by_speaker=dict.fromkeys((f"{actor:02}" for actor in range(1, 25)), 60),
        exhaustive=False,  # songs and video may be beside them
    )

    def __init__(self, root: Path) -> None:
        self.root = root

    def utterances(self) -> list[Utterance]:
        """Return the spoken recordings; ``text_id`` is one of two statements."""
        return utterances_from_names(self.title, self.root, NAME, "03-01-06-01-02-01-12.wav: seven numbers", _utterance)


def _utterance(path: Path, part: re.Match[str]) -> Utterance | None:
    if (part["modality"], part["voice"]) != (SOUND_ONLY, SPEECH):
        return None
    return Utterance(path, EMOTIONS[part["emotion"]], speaker=part["actor"], text_id=part["text"])
