"""How the page shows an emotion: by colour and letter, and in which colour the letter is written on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pcqtool.report.label_look import label_colour, label_letters


@dataclass(frozen=True)
class LabelLook:
    """How the page shows an emotion: its letter, its colour, and the colour of text on it."""

    label: str
    letters: str
    colour: str
    ink: str


def looks_of(labels: Sequence[str]) -> list[LabelLook]:
    """Return the looks of a model's labels, in their order.

    Examples:
        >>> [look.letters for look in looks_of(["anger", "sadness", "surprise"])]
        ['A', 'S', 'U']
    """
    letters = label_letters(labels)
    return [LabelLook(label, letters[label], label_colour(label), _ink(label_colour(label))) for label in labels]


def _ink(colour: str) -> str:
    return "#000000" if _luminance(colour) > 0.179 else "#FFFFFF"


def _luminance(colour: str) -> float:
    """Return a colour's relative luminance as WCAG defines it, 0 to 1."""
    red, green, blue = (
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
        for value in (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
