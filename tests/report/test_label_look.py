from __future__ import annotations

import re

from pcqtool.labels import VOCABULARY
from pcqtool.report.figure import COLOURS
from pcqtool.report.label_look import LABEL_COLOURS, label_colour, label_letters


def test_every_label_of_the_vocabulary_has_a_colour_and_a_letter_of_its_own():
    assert tuple(LABEL_COLOURS) == VOCABULARY
    assert len(set(LABEL_COLOURS.values())) == len(VOCABULARY)
    assert all(re.fullmatch("#[0-9A-F]{6}", colour) for colour in LABEL_COLOURS.values())
    letters = label_letters(VOCABULARY)
    assert len(set(letters.values())) == len(VOCABULARY)
    assert letters["anger"] == "A"


def test_the_labels_of_the_bundled_models_have_colours_for_colour_blind_readers():
    common = ("anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise")
    assert {label_colour(label) for label in common} <= set(COLOURS)
    assert label_colour("boredom") == "#F0E442"


def test_other_labels_have_other_letters_and_change_none():
    labels = (*VOCABULARY, *(f"own {n}" for n in range(9)))
    letters = label_letters(labels)
    assert len(set(letters.values())) == len(labels)
    assert {label: letters[label] for label in VOCABULARY} == label_letters(VOCABULARY)
    assert label_letters(f"own {n}" for n in range(50))["own 9"] != ""
    assert re.fullmatch("#[0-9A-F]{6}", label_colour("own 1"))
