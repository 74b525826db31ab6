"""TOML files of users, sound and otherwise."""

from __future__ import annotations

import pytest

from pcqtool.corpora.label_map import load_label_map
from pcqtool.errors import SettingsError
from pcqtool.toml import load
from pcqtool.training.recipe import load_recipe


def test_a_byte_order_mark_is_not_content(tmp_path):
    (tmp_path / "a.toml").write_bytes(b"\xef\xbb\xbfepochs = 3\n")
    assert load(tmp_path / "a.toml") == {"epochs": 3}
    assert load_recipe(str(tmp_path / "a.toml")).epochs == 3
    (tmp_path / "b.toml").write_bytes(b'\xef\xbb\xbfexcitement = "happiness"\n')
    assert load_label_map(tmp_path / "b.toml").general == {"excitement": "happiness"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a = " + "[" * 5000 + "]" * 5000, "nested too deeply"),
        ("a = " + "{a = " * 5000 + "1" + "}" * 5000, "nested too deeply"),
        ("a." * 5000 + "a = 1", "nested too deeply"),
        ("a." * 200 + "a = 1", "nested too deeply"),
        ("a = [[[[" + "[" * 20 + "]" * 24, "nested too deeply"),
        ("a = 0x" + "f" * 20_000, "too large"),
        ("a = [-9223372036854775809]", "too large"),
        ("a = " + "9" * 5000, "4300 digits"),
        ("a = 1\na = 2", "overwrite"),
        ("\0", "not text"),
        ('a = "\\ud800"', "not a Unicode scalar"),
    ],
)
def test_invalid_files(tmp_path, content, said):
    path = tmp_path / "a.toml"
    path.write_text(content)
    for read in (load, load_label_map, load_recipe):
        with pytest.raises(SettingsError, match=said) as caught:
            read(path if read is not load_recipe else str(path))
        assert "a.toml" in caught.value.what


def test_the_largest_numbers_and_usual_depths_are_read(tmp_path):
    (tmp_path / "a.toml").write_text("a = [9223372036854775807, -9223372036854775808]\nb.c.d.e.f = [[{g = 1}]]\n")
    assert load(tmp_path / "a.toml")["a"] == [2**63 - 1, -(2**63)]
