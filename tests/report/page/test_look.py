from __future__ import annotations

from pcqtool.labels import VOCABULARY
from pcqtool.report.page.look import looks_of


def test_letters_differ_and_so_do_the_colours_of_eight_labels():
    eight = ("anger", "boredom", "disgust", "fear", "happiness", "neutral", "sadness", "surprise")
    looks = looks_of(eight)
    assert [look.letters for look in looks] == ["A", "B", "D", "F", "H", "N", "S", "U"]
    assert len({look.colour for look in looks}) == 8
    assert {look.ink for look in looks} == {"#000000", "#FFFFFF"}


def test_any_labels_have_letters():
    assert len({look.letters for look in looks_of(VOCABULARY)}) == len(VOCABULARY)
    assert len({look.letters for look in looks_of(("angry-hot", "angry-cold", "ang"))}) == 3
