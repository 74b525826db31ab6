"""Colours and letters of emotions, which readers tell apart with any sight."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

ORANGE, SKY, GREEN, YELLOW = "#E69F00", "#56B4E9", "#009E73", "#F0E442"
BLUE, VERMILION, PURPLE, GREY = "#0072B2", "#D55E00", "#CC79A7", "#9A9A9A"

PALETTE = (VERMILION, SKY, GREEN, ORANGE, BLUE, PURPLE, YELLOW, GREY)
"""Colours of Okabe and Ito, with grey in place of black, which a dark page would hide."""

USUAL = {
    "anger": VERMILION,
    "boredom": ORANGE,
    "calm": GREY,
    "disgust": GREEN,
    "fear": PURPLE,
    "happiness": YELLOW,
    "neutral": GREY,
    "sadness": BLUE,
    "surprise": SKY,
}
"""The colour that a label gets unless another label of the model already has it."""

_MAX_LETTERS = 3


@dataclass(frozen=True)
class LabelLook:
    """How the page shows an emotion: its letters, its colour, and the colour of text on it."""

    label: str
    letters: str
    colour: str
    ink: str


def looks_of(labels: Sequence[str]) -> list[LabelLook]:
    """Return the looks of a model's labels; with more than eight labels, colours repeat and letters do not.

    Examples:
        >>> [look.letters for look in looks_of(["anger", "sadness", "surprise"])]
        ['A', 'Sa', 'Su']
    """
    colours = _colours(labels)
    return [
        LabelLook(label, letters, colour, "#000000" if _luminance(colour) > 0.179 else "#FFFFFF")
        for label, letters, colour in zip(labels, _letters(labels), colours, strict=True)
    ]


def _letters(labels: Sequence[str]) -> list[str]:
    """Return the shortest beginning of each label that no other label has; a number for those that need too many."""
    found = []
    for number, label in enumerate(labels):
        others = [each.lower() for each in labels if each != label]
        sizes = range(1, _MAX_LETTERS + 1)
        starts = (label[:n] for n in sizes if not any(each.startswith(label[:n].lower()) for each in others))
        found.append(next(starts, str(number + 1)).capitalize())
    return found


def _colours(labels: Sequence[str]) -> list[str]:
    colours: dict[str, str] = {}
    for label in labels:
        colour = USUAL.get(label)
        if colour is not None and colour not in colours.values():
            colours[label] = colour
    left = [colour for colour in PALETTE if colour not in colours.values()]
    for number, label in enumerate(label for label in labels if label not in colours):
        colours[label] = left[number] if number < len(left) else PALETTE[number % len(PALETTE)]
    return [colours[label] for label in labels]


def _luminance(colour: str) -> float:
    """Return a colour's relative luminance as WCAG defines it, 0 to 1."""
    red, green, blue = (
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
        for value in (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
