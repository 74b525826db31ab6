from __future__ import annotations

from pathlib import Path

import pytest

from pcqtool.audio.turns import Turn, read_turns, turns_of_channel
from pcqtool.errors import SettingsError

RTTM = """;; a comment
SPKR-INFO call 1 <NA> <NA> <NA> unknown anna <NA> <NA>
SPEAKER call 1 0.50 2.25 <NA> <NA> anna <NA> <NA>
SPEAKER call 2 2.00 1.50 <NA> <NA> ben <NA> <NA>
SPEAKER 2026/other 1 0 1 <NA> <NA> anna
"""


@pytest.fixture
def rttm(tmp_path: Path) -> Path:
    path = tmp_path / "turns" / "all.rttm"
    path.parent.mkdir()
    path.write_text(RTTM)
    return path


def test_turns_are_found_by_the_name_of_the_recording(rttm: Path) -> None:
    for given in (rttm, rttm.parent):
        table = read_turns(given)
        assert table.of("calls/call.wav") == (Turn("anna", 0.5, 2.75), Turn("ben", 2.0, 3.5, "2"))
        assert table.of("2026/other.mp3") == (Turn("anna", 0.0, 1.0),)
        assert table.of("1999/other.mp3") is None


def test_a_channel_has_its_own_turns_and_a_mix_has_all(rttm: Path) -> None:
    turns = read_turns(rttm).of("call.wav")
    assert turns is not None
    assert turns_of_channel(turns, "0") == {"anna": [(8000, 44_000)]}
    assert turns_of_channel(turns, "1") == {"ben": [(32_000, 56_000)]}
    assert list(turns_of_channel(turns, "mix")) == ["anna", "ben"]
    assert turns_of_channel(turns, "2") == {}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("SPEAKER call 1 x 1 <NA> <NA> anna", "not a turn in RTTM"),
        ("SPEAKER call 1 0 1 <NA>", "not a turn in RTTM"),
        ("SPEAKER call 1 -1 1 <NA> <NA> anna", "not possible"),
        ("SPEAKER call 0 1 1 <NA> <NA> anna", "not possible"),
        ("SPEAKER call 1 nan 1 <NA> <NA> anna", "not possible"),
        ("anna speaks", "no turns in it"),
    ],
)
def test_faults_are_named(tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / "x.rttm").write_text(line)
    with pytest.raises(SettingsError, match=message):
        read_turns(tmp_path / "x.rttm")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        read_turns(tmp_path / "none.rttm")
    with pytest.raises(SettingsError, match="no turns"):
        read_turns(tmp_path)
