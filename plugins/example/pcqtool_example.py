"""A template for a corpus plugin: copy this folder, then rename and change it."""

from pathlib import Path

from pcqtool.corpora import CorpusError, Expected, Utterance, canonical


class Example:
    """Files named SPEAKER_EMOTION_NUMBER.wav, all in one folder."""

    name = "example"
    title = "Template of a plugin"
    labels = ("anger", "neutral", "sadness")
    citation = "None yet."
    licence = "Ask me."
    url = None
    expected = Expected(by_label={"anger": 8, "neutral": 8, "sadness": 8})

    def __init__(self, root: Path) -> None:
        self.root = root

    def utterances(self) -> list[Utterance]:
        """List the recordings by name."""
        files = sorted(self.root.glob("*_*_*.wav"))
        if not files:
            raise CorpusError(f"no recordings in {self.root}", "Pass the folder that contains them.")
        return [self._utterance(path) for path in files]

    def _utterance(self, path: Path) -> Utterance:
        speaker, emotion, _ = path.stem.split("_")
        return Utterance(path, canonical(emotion), speaker=speaker)
