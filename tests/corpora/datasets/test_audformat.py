from __future__ import annotations

from datetime import timedelta

import polars
import pytest
import yaml

from pcqtool.corpora.base import Utterance
from pcqtool.corpora.datasets.audformat import Audformat
from pcqtool.corpora.testing import check
from pcqtool.errors import CorpusError

HEADER = """\
name: mydb
source: https://example.org
usage: unrestricted
languages: [deu]
schemes:
  emotion: {dtype: str, labels: [anger, happiness, no agreement, neutral]}
  speaker:
    dtype: int
    labels:
      3: {gender: male}
      8: {gender: female}
  transcription: {dtype: str, labels: {a01: Der Lappen., a02: Das.}}
tables:
  emotion.categories.desired:
    type: filewise
    columns:
      emotion: {scheme_id: emotion}
  emotion.categories.face.test.gold_standard:
    type: filewise
    columns:
      emotion: {scheme_id: emotion}
  emotion.categories.test.gold_standard:
    type: filewise
    split_id: test
    columns:
      emotion: {scheme_id: emotion, rater_id: gold}
  emotion.categories.train.gold_standard:
    type: segmented
    split_id: train
    columns:
      emotion: {scheme_id: emotion, rater_id: gold}
      emotion.confidence: {}
  emotion.votes:
    type: filewise
    columns:
      r1: {scheme_id: emotion}
      r2: {scheme_id: emotion}
  files:
    type: filewise
    columns:
      speaker: {scheme_id: speaker}
      said: {scheme_id: transcription}
misc_tables:
  speaker:
    levels: {speaker: int}
    columns:
      age: {}
"""
TABLES = {
    "emotion.categories.desired": "file,emotion\nwav/a.wav,happiness\nwav/b.wav,happiness\n",
    "emotion.categories.face.test.gold_standard": "file,emotion\nwav/c.wav,anger\n",
    "emotion.categories.test.gold_standard": "file,emotion\nwav/c.wav,happiness\n",
    "emotion.categories.train.gold_standard": (
        "file,start,end,emotion,emotion.confidence\n"
        "wav/b.wav,0 days 00:00:00.000000,0 days 00:00:02.250000,neutral,\n"
        "wav/a.wav,0 days 00:00:01.500000,,no agreement,\n"
        "wav/a.wav,0 days 01:00:00,NaT,neutral,0.5\n"
        "wav/a.wav,0 days 00:00:00.000000,0 days 00:00:01.500000,anger,\n"
    ),
    "emotion.votes": "file,r1,r2\nwav/a.wav,anger,neutral\n",
    "files": "file,speaker,said\nwav/a.wav,3,a01\nwav/b.wav,8,a02\nwav/c.wav,,a01\n",
}


@pytest.fixture
def root(tmp_path):
    """A database as audformat writes it: intended labels, gold-standard labels, votes, and a table of files."""
    root = tmp_path / "mydb"
    root.mkdir()
    (root / "db.yaml").write_text(HEADER)
    for name, text in TABLES.items():
        (root / f"db.{name}.csv").write_text(text)
    (root / "wav").mkdir()
    for name in "abc":
        (root / "wav" / f"{name}.wav").touch()
    return root


def expected(root):
    a, b, c = (root / "wav" / f"{name}.wav" for name in "abc")
    return [
        Utterance(a, "anger", speaker="3", text_id="a01", end_s=1.5),
        Utterance(a, "neutral", speaker="3", text_id="a01", start_s=3600.0),
        Utterance(b, "neutral", speaker="8", text_id="a02", end_s=2.25),
        Utterance(c, "happiness", text_id="a01"),
    ]


def test_segments_and_files_with_what_is_known_of_them(root, caplog):
    assert check(Audformat, root) == expected(root)
    assert Audformat(root).labels == ("anger", "happiness", "neutral")
    assert "left out, since no emotion of the vocabulary: 'no agreement' (1)" in caplog.text


def test_parquet_is_read_as_csv_is(root):
    start, end = timedelta(0), timedelta(seconds=1.5)
    polars.DataFrame(
        {"file": ["wav/a.wav", "wav/b.wav"], "start": [start, start], "end": [end, None], "emotion": ["anger", None]}
    ).write_parquet(root / "db.emotion.categories.train.gold_standard.parquet")
    assert Audformat(root).utterances() == [expected(root)[0], expected(root)[-1]]


def test_a_folder_above_will_do_where_there_is_one_database(root):
    assert Audformat(root.parent).utterances() == expected(root)


def test_one_table_can_be_asked_for(root):
    table = root / "db.emotion.categories.desired.csv"
    assert [each.label for each in Audformat(table).utterances()] == ["happiness", "happiness"]


def test_tables_that_disagree_are_an_error_that_says_how_to_choose(root):
    (root / "db.emotion.categories.test.gold_standard.csv").write_text(
        "file,start,end,emotion\nwav/b.wav,,0:0:2.25,anger\n"
    )
    with pytest.raises(CorpusError, match=r"wav/b\.wav is anger in one table and neutral in another") as caught:
        Audformat(root).utterances()
    tables = "db.emotion.categories.test.gold_standard, db.emotion.categories.train.gold_standard"
    assert caught.value.hint == f"Pass the file of one table as --root: {tables}."


@pytest.mark.parametrize(
    ("without", "expected"),
    [
        (("emotion.categories.test.gold_standard", "emotion.categories.train.gold_standard"), [("c", "anger")]),
        (
            (
                "emotion.categories.test.gold_standard",
                "emotion.categories.train.gold_standard",
                "emotion.categories.face.test.gold_standard",
            ),
            [("a", "happiness"), ("b", "happiness")],
        ),
    ],
    ids=["another gold standard", "no gold standard"],
)
def test_gold_standards_of_what_is_heard_are_preferred(root, without, expected):
    """A table of several opinions (emotion.votes) is never one of labels."""
    header = yaml.safe_load((root / "db.yaml").read_text())
    for table in without:
        del header["tables"][table]
    (root / "db.yaml").write_text(yaml.safe_dump(header))
    assert [(each.path.stem, each.label) for each in Audformat(root).utterances()] == expected


def test_a_missing_recording_is_named(root):
    (root / "wav" / "c.wav").unlink()
    with pytest.raises(CorpusError, match=r"1 of 4 labelled recordings are missing, first .*c\.wav"):
        Audformat(root).utterances()


def test_a_table_that_is_only_pickled_is_not_read(root):
    table = root / "db.emotion.categories.test.gold_standard.csv"
    table.rename(table.with_suffix(".pkl"))
    with pytest.raises(
        CorpusError, match=r"no db\.emotion\.categories\.test\.gold_standard\.parquet or \.csv"
    ) as caught:
        Audformat(root).utterances()
    assert ".pkl is not read" in caught.value.hint


@pytest.mark.parametrize("text", ["a: [", "[1]", "name: x", "tables: [1]", "!!python/object/apply:os.getcwd []"])
def test_a_damaged_header_is_an_error(root, text):
    (root / "db.yaml").write_text(text)
    with pytest.raises(CorpusError, match=r"db\.yaml: not a header of audformat"):
        Audformat(root).utterances()


def test_a_time_that_cannot_be_read_is_named(root):
    (root / "db.emotion.categories.train.gold_standard.csv").write_text("file,start,end,emotion\na,soon,,anger\n")
    with pytest.raises(CorpusError, match=r"gold_standard\.csv, line 2: .*'soon' is not a time"):
        Audformat(root).utterances()


def test_a_database_without_emotions_is_an_error(root):
    (root / "db.yaml").write_text("tables:\n  files:\n    columns: {speaker: {}}\n")
    with pytest.raises(CorpusError, match="no emotion labels") as caught:
        Audformat(root).utterances()
    assert caught.value.hint == "Of files, one needs a column 'emotion'."
