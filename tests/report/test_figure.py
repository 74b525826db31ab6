from __future__ import annotations

import sys

import numpy as np
import pytest
from matplotlib.image import imread

from pcqtool.errors import ReportError, SettingsError
from pcqtool.report.figure import COLOURS, MARKERS, check_path, drawing, headline, parse_size, percent_axis


def draw(path):
    with drawing(path, 3.0, 2.0) as figure:
        axes = figure.add_subplot()
        axes.plot([0, 0.4], [0, 1])
        percent_axis(axes, "y")
        headline(figure, "Half of it & more")


def test_the_same_drawing_is_the_same_file(tmp_path):
    for suffix in ("svg", "png", "pdf"):
        draw(tmp_path / f"a.{suffix}")
        draw(tmp_path / f"b.{suffix}")
        assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()
    assert len(np.unique(imread(tmp_path / "a.png"))) > 2
    text = (tmp_path / "a.svg").read_text()
    assert "date" not in text.lower()
    assert "matplotlib.org" not in text


def test_words_stay_words(tmp_path, words):
    draw(tmp_path / "a.svg")
    assert {"Half of it & more", "100"} <= set(words(tmp_path / "a.svg"))  # per cent


def test_the_look_of_others_is_left_alone(tmp_path):
    import matplotlib

    before = dict(matplotlib.rcParams)
    draw(tmp_path / "a.svg")
    assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize("name", ["figure", "figure.jpg", "figure.svg.txt"])
def test_an_unknown_format_is_named_before_anything_is_done(tmp_path, name):
    with pytest.raises(SettingsError, match=r"\.svg, \.png, \.pdf"):
        check_path(tmp_path / name)


def test_without_matplotlib_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ReportError) as raised:
        draw(tmp_path / "a.svg")
    assert raised.value.hint == 'pip install "pcqtool[report]"'
    assert not list(tmp_path.iterdir())


def test_a_drawing_that_fails_leaves_no_file(tmp_path):
    with pytest.raises(ZeroDivisionError), drawing(tmp_path / "a.svg", 1, 1):
        raise ZeroDivisionError
    assert not list(tmp_path.iterdir())


def test_colours_and_shapes_are_told_apart():
    assert len(set(COLOURS)) == len(set(MARKERS)) == len(COLOURS) == len(MARKERS)


@pytest.mark.parametrize("title", ["a word and another " * 12, "one_word_without_a_space" * 9, "a price of $5 and $6"])
def test_titles_are_not_cut_off(tmp_path, words, title):
    with drawing(tmp_path / "a.svg", 3.0, 4.0) as figure:
        figure.add_subplot()
        headline(figure, title)
        figure.draw_without_rendering()
        box = figure._suptitle.get_window_extent()
        assert 0 <= box.x0 <= box.x1 <= figure.bbox.x1
    said = "".join("".join(words(tmp_path / "a.svg")).split())
    assert "".join(title.split()) in said


def test_sizes_are_in_centimetres():
    assert parse_size(None) is None
    assert parse_size("12.7x25.4") == pytest.approx((5.0, 10.0))
    for wrong in ("12", "x", "0x5", "12x101", "axb", "1e1x9"):
        with pytest.raises(SettingsError, match="centimetres"):
            parse_size(wrong)
