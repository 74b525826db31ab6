"""Scores of a model on corpora that it was not trained on, as its ``metrics.json`` has them under ``unseen``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class UnseenScore:
    """Scores on a corpus that the model was not trained on.

    Attributes:
        corpus: the corpus.
        speech: what kind of speech it has, such as ``natural, talk shows``.
        n_classes: number of emotions to choose from.
        profile: what inputs were standardised by, as for ``label --profile``.
        ua: mean recall of the emotions, 0 to 1.
        ece: mean gap between probability and accuracy, 0 to 1; None if it is unknown.
    """

    corpus: str
    speech: str
    n_classes: int
    profile: str
    ua: float
    ece: float | None = None

    def __str__(self) -> str:
        """Return the scores in words.

        Examples:
            >>> str(UnseenScore("URDU", "natural, talk shows", 4, "auto", 0.5275, 0.137))
            'URDU (natural, talk shows; 4 emotions), profile auto: UA 52.8 %, ECE 0.14'
        """
        ece = "" if self.ece is None else f", ECE {self.ece:.2f}"
        about = f"{self.corpus} ({self.speech}; {self.n_classes} emotions), profile {self.profile}"
        return f"{about}: UA {100 * self.ua:.1f} %{ece}"


def unseen_scores(metrics: Any) -> list[UnseenScore]:
    """Return the complete scores in the content of ``metrics.json``, whatever it is; natural speech comes first."""
    entries = metrics.get("unseen") if isinstance(metrics, Mapping) else None
    found = []
    for entry in entries if isinstance(entries, list) else ():
        if not isinstance(entry, Mapping):
            continue
        ua, ece, n_classes = (_number(entry.get(name)) for name in ("ua", "ece", "n_classes"))
        corpus, speech, profile = (str(entry.get(name, "")) for name in ("corpus", "speech", "profile"))
        if ua is not None and n_classes is not None:
            found.append(UnseenScore(corpus, speech, max(1, int(n_classes)), profile, ua, ece))
    return sorted(found, key=lambda score: not score.speech.startswith("natural"))


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
