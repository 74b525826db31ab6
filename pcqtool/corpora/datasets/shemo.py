"""ShEMO: Persian from radio plays, 87 speakers, 6 emotions, 3 000 files."""

from __future__ import annotations

import json
import re
from pathlib import Path

from pcqtool.corpora import (
    CorpusError,
    Expected,
    SettingsError,
    Utterance,
    canonical,
    find_files,
    utterances_from_names,
)

EMOTIONS = {"A": "anger", "F": "fear", "H": "happiness", "N": "neutral", "S": "sadness", "W": "surprise"}
NAME = rf"(?P<speaker>[FM]\d\d)(?P<emotion>[{''.join(EMOTIONS)}])\d\d"
CORRECTED = "modified_shemo.json"


class ShEMO:
    """``female/F01A01.wav``, ``male/M01A01.wav`` and so on, at any depth.

    If ``modified_shemo.json`` is beside them, its labels are used (Yazdani and Shekofteh: the names of 163 files state
    a wrong emotion), else those of the names. The release's own ``shemo.json`` lists transcripts, not recordings, and
    is ignored.
    """

    name = "shemo"
    title = "Sharif Emotional Speech Database (ShEMO)"
    labels = tuple(EMOTIONS.values())
    citation = (
        "O. Mohamad Nezami, P. Jamshid Lou, M. Karami: ShEMO: a large-scale validated database for Persian speech "
        "emotion detection. Language Resources and Evaluation 53(1), 2019."
    )
    licence = "Free for academic purposes."
    commercial_use = False
    url = "https://github.com/pariajm/sharif-emotional-speech-dataset"
    expected = Expected(3000)  # their emotions depend on the table of corrections

    def __init__(self, root: Path) -> None:
        self.root = root

    def utterances(self) -> list[Utterance]:
        """Return all recordings; their texts are only in the transcripts, and hardly any occurs twice."""
        corrected = self._corrected()

        def utterance(path: Path, part: re.Match[str]) -> Utterance:
            label = corrected.get(path.stem.upper(), EMOTIONS[part["emotion"].upper()])
            return Utterance(path, label, speaker=part["speaker"].upper())

        example = "F01A01.wav: woman or man, speaker, emotion, number"
        return utterances_from_names(self.title, self.root, NAME, example, utterance)

    def _corrected(self) -> dict[str, str]:
        """Read the corrected emotion of each recording; without the file there are no corrections."""
        for path in find_files(self.root, ".json"):
            if path.name.lower() == CORRECTED:
                try:
                    entries = json.loads(path.read_text("utf-8"))
                    return {Path(key).stem.upper(): canonical(entry["emotion"]) for key, entry in entries.items()}
                except (ValueError, AttributeError, TypeError, KeyError, SettingsError) as error:
                    raise CorpusError(f"{path}: not the table of corrected labels: {error}") from error
        return {}
