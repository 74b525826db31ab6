r"""One line stays one line, and JSON is JSON: for every text, in every encoding."""

from __future__ import annotations

import json
import os
import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcqtool.cli.common.text import clock_text, json_text, one_line

ENCODINGS = ["utf-8", "ascii", "latin-1", "cp1252", "koi8-r", "shift_jis", "gb18030", "utf-16-le", "UTF8"]
ANY_TEXT = st.text(st.characters(exclude_categories=()))  # lone surrogates, too
VALUES = st.recursive(
    ANY_TEXT | st.integers() | st.booleans() | st.none() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


def tabled(value):
    """A value with its texts as the result tables have them."""
    if isinstance(value, str):
        # Bytes that are UTF-8 after all, as in the locale C, and then what is no character.
        value = re.sub("[\udc80-\udcff]+", lambda run: os.fsencode(run[0]).decode("utf-8", "backslashreplace"), value)
        return re.sub("[\ud800-\udfff]", lambda half: f"\\u{ord(half[0]):04x}", value)
    if isinstance(value, list):
        return [tabled(each) for each in value]
    return {key: tabled(each) for key, each in value.items()} if isinstance(value, dict) else value


def strict(text):
    """Parse JSON and refuse what JSON does not have, or what only Python reads."""

    def refuse(name):
        raise AssertionError(name)

    value = json.loads(text, parse_constant=refuse)
    json.dumps(value, ensure_ascii=False).encode()  # no half of a character
    return value


@pytest.mark.parametrize("encoding", ENCODINGS)
@given(value=VALUES)
def test_json_comes_back_from_every_encoding(encoding, value):
    assert strict(json_text(value, encoding).encode(encoding).decode(encoding)) == tabled(value)
    assert strict(json_text(value, encoding, indent=2).encode(encoding).decode(encoding)) == tabled(value)


@given(VALUES)
def test_json_holds_nothing_that_cannot_be_seen(value):
    text = json_text(value)
    assert [c for c in text if unicodedata.category(c)[0] == "C" or unicodedata.category(c) in ("Zl", "Zp")] == []
    assert len(text.splitlines()) == 1


def test_escapes_of_json_are_those_of_json():
    text = json_text("\x7f\u00ad\u2028\x85\u202e\U000e0041 ä \udcff \ud83d", "utf-8")
    assert text == r'"\u007f\u00ad\u2028\u0085\u202e\udb40\udc41 ä \\xff \\ud83d"'
    assert json_text("ä€", "latin-1") == r'"\u00e4\u20ac"'


def test_a_name_that_is_not_utf8_is_written_as_in_the_tables():
    from pcqtool.files.display import display_path

    for name in (os.fsdecode(b"\xe4\xff-\xc3\xa4.wav"), b"\xc3\xa4\xff.wav".decode("ascii", "surrogateescape")):
        assert json.loads(json_text({name: name})) == {display_path(name): display_path(name)}
        assert one_line(name) == display_path(name)
    assert one_line("\udcc2\udc85\udcff") == r"\x85\xff"  # a line end in UTF-8 that the locale C did not see


@pytest.mark.parametrize("encoding", ENCODINGS)
@given(text=ANY_TEXT)
def test_a_line_is_one_line(encoding, text):
    shown = one_line(text, encoding)
    assert shown.encode(encoding).decode(encoding) == shown
    assert len(shown.splitlines()) <= 1
    assert all(character.isprintable() or character in "\t\xa0\u202f" for character in shown)


@given(st.text(st.characters(categories=("L", "N", "P", "S"))))
def test_what_can_be_seen_stays(text):
    assert one_line(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\nerror: b", r"a\nerror: b"),
        ("a\r\x1b[2J\x07", r"a\r\x1b[2J\x07"),
        ("\u2028\u2029\x85\x0b\x0c\x1c", r"\u2028\u2029\x85\x0b\x0c\x1c"),
        (
            "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069",
            r"\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069",
        ),
        ("\u200e\u200f\u061c\ufeff\x7f\xad", r"\u200e\u200f\u061c\ufeff\x7f\xad"),
        ("5\xa0kHz\u202f\tx", "5\xa0kHz\u202f\tx"),
    ],
)
def test_what_moves_the_text_is_escaped(text, shown):
    assert one_line(text) == shown


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.0, "0:00:00"), (192.9, "0:03:12"), (3600.0, "1:00:00"), (1e6, "277:46:40")]
)
def test_places_in_a_recording(seconds, text):
    assert clock_text(seconds) == text
