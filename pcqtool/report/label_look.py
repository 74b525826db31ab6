"""One colour and one letter for each emotion, the same on the terminal, in figures and on pages."""

from __future__ import annotations

from collections.abc import Iterable

from pcqtool.labels import sort_labels

LABEL_COLOURS = {
    "anger": "#D55E00",
    "boredom": "#F0E442",
    "calm": "#44AA99",
    "contempt": "#882255",
    "disgust": "#009E73",
    "excitement": "#DDCC77",
    "fear": "#CC79A7",
    "frustration": "#AA4499",
    "happiness": "#E69F00",
    "neutral": "#8C8C8C",
    "sadness": "#0072B2",
    "sleepiness": "#999933",
    "surprise": "#56B4E9",
}
"""Colours by label. The eight labels of the bundled models have those of Okabe and Ito, with grey in place of black;
the others have colours of Paul Tol's muted scheme. No scheme has thirteen colours that everyone can distinguish, so a
letter or a name goes with each colour.
"""

OTHER_COLOUR = "#6699CC"
"""Colour of a label that is not in the vocabulary."""

_LETTERS = {"contempt": "T", "frustration": "R", "sleepiness": "L", "surprise": "U"}
_OTHER_LETTERS = "ZYXWVQPOMKJIG0123456789"


def label_colour(label: str) -> str:
    """Return the colour of a label as ``#RRGGBB``."""
    return LABEL_COLOURS.get(label, OTHER_COLOUR)


def label_letters(labels: Iterable[str]) -> dict[str, str]:
    """Return one capital letter or digit for each label, all different as long as there are enough.

    Labels of the vocabulary always have the same letter, whichever others there are.

    Examples:
        >>> label_letters(["anger", "sadness", "surprise", "awe"])
        {'anger': 'A', 'sadness': 'S', 'surprise': 'U', 'awe': 'Z'}
    """
    letters: dict[str, str] = {}
    free = [each for each in _OTHER_LETTERS if each not in _LETTERS.values()]
    for label in sort_labels(labels):
        if label in LABEL_COLOURS:
            letters[label] = _LETTERS.get(label, label[0].upper())
        else:
            letters[label] = free.pop(0) if free else "?"
    return letters
