from __future__ import annotations

from pathlib import Path

import pytest

from pcqtool.arguments import as_list, as_path, as_text, n_jobs
from pcqtool.errors import SettingsError


@pytest.mark.parametrize(
    ("given", "names"),
    [(None, []), ("a", ["a"]), (Path("a"), ["a"]), (["a", Path("b")], ["a", "b"]), (iter("ab"), ["a", "b"]), ((), [])],
)
def test_one_name_or_several(given, names):
    assert as_list(given) == names


def test_paths(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert as_path("~/x") == tmp_path / "x"
    assert as_path("~nobody-of-this-name/x") == Path("~nobody-of-this-name/x")
    assert (as_text(None), as_text(Path("a"))) == (None, "a")
    with pytest.raises(SettingsError, match="empty"):
        as_path("")


def test_jobs():
    assert n_jobs(3) == 3
    assert n_jobs(0) >= 1
    with pytest.raises(SettingsError, match="-1"):
        n_jobs(-1)
