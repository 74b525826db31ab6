from __future__ import annotations

import polars as pl
import pytest

from pcqtool.errors import SettingsError
from pcqtool.report.page.groups import groups_by_name, groups_by_table, name_pattern

NAMES = ["2026-01-05/call-1_anna.wav", "2026-01-05/call-2_ben.wav", "20260106/call-3_anna.wav", "notes.wav"]


@pytest.fixture
def files():
    return pl.DataFrame({"file": NAMES, "channel": ["mix"] * 4})


def test_names_have_fields(files):
    found = groups_by_name("{date}/{call}_{agent}.wav", files)
    by_name = {each.name: each for each in found.groupings}
    assert set(by_name) == {"date", "agent"}  # each recording has its own call, which is not a group
    assert (by_name["date"].kind, by_name["date"].values) == ("date", ["2026-01-05"] * 2 + ["2026-01-06", None])
    assert by_name["agent"].values == ["anna", "ben", "anna", None]
    assert found.notes == ["1 of 4 names do not fit the name pattern"]


def test_patterns_fit_the_end_of_a_name():
    pattern = name_pattern("{date}_{time}_*_{agent}.*")
    found = pattern.fullmatch("a/b/20260105_1430_x_y_anna.wav")
    assert found.groupdict() == {"date": "20260105", "time": "1430", "agent": "anna"}
    assert not name_pattern("{agent}.wav").fullmatch("anna.mp3")


@pytest.mark.parametrize("pattern", ["calls/*.wav", "{a}/{a}.wav", "{}/x", "{2a}"])
def test_patterns_without_fields_are_refused(pattern):
    with pytest.raises(SettingsError, match="fields in braces"):
        name_pattern(pattern)


def test_a_pattern_that_fits_no_name_is_refused(files):
    with pytest.raises(SettingsError, match="no name fits"):
        groups_by_name("{date}-{hour}.flac", files)


def test_a_table_has_dates_hours_labels_and_others(files, tmp_path):
    table = tmp_path / "calls.csv"
    rows = [f"{NAMES[0]},2026-01-05T14:30,Angry,north", f"{NAMES[1]},2026-13-05,,north", "other.wav,,,"]
    table.write_text("\n".join(["file,date,label,site", *rows]))
    found = groups_by_table(table, files)
    by_name = {each.name: each.values for each in found.groupings}
    assert by_name == {
        "date": ["2026-01-05", None, None, None],
        "hour": ["14", None, None, None],
        "site": ["north", "north", None, None],
    }
    assert found.truth == ["anger", None, None, None]
    assert found.notes == ["2 of 4 rows are not in calls.csv"]


def test_a_table_may_know_channels(tmp_path):
    files = pl.DataFrame({"file": ["a.wav", "a.wav", "b.wav"], "channel": ["0", "1", "0"]})
    (tmp_path / "t.csv").write_text("file,channel,who\na.wav,0,agent\na.wav,1,customer\nb.wav,0,agent\n")
    (who,) = groups_by_table(tmp_path / "t.csv", files).groupings
    assert who.values == ["agent", "customer", "agent"]


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("name,label\na,b\n", "no column 'file'"),
        ("file,x\nother.wav,1\n", "no recording"),
        ("file,x\nnotes.wav,1\nnotes.wav,2\n", "two rows"),
        ("", "cannot be read"),
    ],
    ids=["column", "names", "twice", "empty"],
)
def test_tables_that_do_not_fit_are_refused(files, tmp_path, text, match):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(SettingsError, match=match):
        groups_by_table(tmp_path / "t.csv", files)
