from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from pcqtool.corpora.base import Corpus, Utterance
from pcqtool.corpora.datasets.iemocap import IEMOCAP
from pcqtool.errors import CorpusError
from pcqtool.splits import leakage_report

HEADING = "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n"
OPINIONS = "C-E2:\tNeutral;\t()\nC-F1:\tHappiness; Excited;\t(glad)\nA-E3:\tval 3; act 2; dom  2;\t()\n\n"


def dialog(root: Path, name: str, **turns: str) -> Path:
    """Write one dialogue in the release's layout: its label lines, and a recording for each turn."""
    session = root / f"Session{name[4]}"
    table = session / "dialog" / "EmoEvaluation" / f"{name}.txt"
    waves = session / "sentences" / "wav" / name
    table.parent.mkdir(parents=True, exist_ok=True)
    waves.mkdir(parents=True)
    text = HEADING
    for turn, code in turns.items():
        text += f"[6.2901 - 8.2357]\t{name}_{turn}\t{code}\t[2.5000, 2.5000, 2.5000]\n{OPINIONS}"
        (waves / f"{name}_{turn}.wav").touch()
        (waves / f"._{name}_{turn}.wav").touch()
    table.write_text(text)
    return table


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two sessions with the irregularities of the release."""
    first = dialog(tmp_path, "Ses01F_impro01", F000="neu", F001="exc", M000="xxx", M001="fru", FXX0="hap")
    dialog(tmp_path, "Ses01M_script01_1", F000="ang", M000="sad", M001="oth", M002="sur", M003="fea", M004="dis")
    dialog(tmp_path, "Ses05M_script01_1b", M000="sad")
    dialog(tmp_path, "Ses05M_impro05a", M000="ang")
    (first.parent / "._Ses01F_impro01.txt").write_bytes(b"\x00\x05\x16\x07\x00[1 - 2]\tMac OS X\xff\xfe")
    for folder in ("Attribute", "Categorical", "Self-evaluation"):
        (first.parent / folder).mkdir()
        (first.parent / folder / "Ses01F_impro01_e2_cat.txt").write_text("Ses01F_impro01_F000 :Anger; ()\n")
    (tmp_path / "Session1" / "sentences" / "wav" / "Ses01F_impro01" / "Ses01F_impro01_M009.wav").touch()  # unlabelled
    (tmp_path / "Documentation").mkdir()
    return tmp_path


def test_labels_speakers_sessions_and_scripts(root):
    utterances = IEMOCAP(root).utterances()
    waves = root / "Session1" / "sentences" / "wav"
    assert utterances[0] == Utterance(
        waves / "Ses01F_impro01" / "Ses01F_impro01_F000.wav", "neutral", speaker="Ses01_F", session="Ses01"
    )
    assert [(u.path.stem, u.label, u.speaker, u.session, u.text_id) for u in utterances] == [
        ("Ses01F_impro01_F000", "neutral", "Ses01_F", "Ses01", None),
        ("Ses01F_impro01_F001", "happiness", "Ses01_F", "Ses01", None),
        ("Ses01F_impro01_FXX0", "happiness", "Ses01_F", "Ses01", None),
        ("Ses01M_script01_1_F000", "anger", "Ses01_F", "Ses01", "script01_1"),
        ("Ses01M_script01_1_M000", "sadness", "Ses01_M", "Ses01", "script01_1"),
        ("Ses05M_impro05a_M000", "anger", "Ses05_M", "Ses05", None),
        ("Ses05M_script01_1b_M000", "sadness", "Ses05_M", "Ses05", "script01_1"),
    ]


def test_labels_are_the_four_classes(root):
    assert set(Counter(u.label for u in IEMOCAP(root).utterances())) == set(IEMOCAP.labels)
    assert isinstance(IEMOCAP(root), Corpus)


def test_missing_recordings_are_counted_and_the_first_is_named(root):
    waves = root / "Session1" / "sentences" / "wav"
    (waves / "Ses01M_script01_1" / "Ses01M_script01_1_F000.wav").unlink()
    (waves / "Ses01M_script01_1" / "Ses01M_script01_1_M000.wav").unlink()
    (waves / "Ses01F_impro01" / "Ses01F_impro01_M001.wav").unlink()  # frustration is left out anyway
    with pytest.raises(CorpusError, match=r"first .*Ses01M_script01_1_F000\.wav \(2 faults") as caught:
        IEMOCAP(root).utterances()
    assert len(caught.value.found) == 7
    assert [fault.kind for fault in caught.value.faults] == ["missing", "missing"]


@pytest.mark.parametrize(
    "line",
    [
        "[6.2901 - 8.2357]\tSes01F_impro02_F000\tangry\t[2.5000, 2.5000, 2.5000]",
        "[6.2901 - 8.2357]\tSes01F_impro02_X000\tang\t[2.5000, 2.5000, 2.5000]",
        "[6.2901 - 8.2357]\tSes01F_impro02_F000\tang",
        "[6.2901 -",
    ],
)
def test_a_label_line_that_cannot_be_read_is_named(root, line):
    table = dialog(root, "Ses01F_impro02", F000="ang")
    with table.open("a") as file:
        file.write(line)
    number = len(table.read_text().splitlines())
    with pytest.raises(CorpusError, match=rf"Ses01F_impro02\.txt, line {number} is not a label line"):
        IEMOCAP(root).utterances()


def test_windows_line_ends_are_read(root):
    table = root / "Session1" / "dialog" / "EmoEvaluation" / "Ses01F_impro01.txt"
    table.write_bytes(table.read_bytes().replace(b"\n", b"\r\n"))
    assert len(IEMOCAP(root).utterances()) == 7


def test_a_folder_without_sessions_is_an_error(tmp_path):
    with pytest.raises(CorpusError, match="no Session"):
        IEMOCAP(tmp_path).utterances()


@pytest.fixture
def five(tmp_path: Path) -> Path:
    """All five sessions, in each a scripted and an improvised dialogue of both actors."""
    for session in range(1, 6):
        turns = {"F000": "neu", "F001": "exc", "F002": "ang", "M000": "sad", "M001": "hap", "M002": "xxx"}
        dialog(tmp_path, f"Ses0{session}F_impro01", **turns)
        dialog(tmp_path, f"Ses0{session}M_script01_1", M000="ang", M001="neu", F000="sad", F001="oth")
    return tmp_path


def test_ten_actors_in_five_sessions(five):
    utterances = IEMOCAP(five).utterances()
    assert len(utterances) == 5 * (5 + 3)  # ties and other labels are left out
    assert {u.session for u in utterances} == {f"Ses0{n}" for n in range(1, 6)}
    assert {u.speaker for u in utterances} == {f"Ses0{n}_{sex}" for n in range(1, 6) for sex in "FM"}
    assert {u.text_id for u in utterances} == {None, "script01_1"}


def test_a_session_can_be_left_out(five):
    from pcqtool.splits import PROTOCOLS, overlap

    utterances, protocol = IEMOCAP(five).utterances(), PROTOCOLS["session"]
    folds = protocol.folds(utterances, 0)
    assert [fold.name for fold in folds] == [f"Ses0{n}" for n in range(1, 6)]
    for fold in folds:
        assert len({utterances[index].speaker for index in fold.test}) == 2
        counts = overlap(fold, utterances).test
        assert (counts.files, counts.speakers, counts.sessions, counts.texts) == (0, 0, 0, 1)
    text = leakage_report(protocol, folds, utterances).text
    assert text.startswith("Test and the other parts share no file, no speaker and no session.")


def test_one_speaker_left_out_shares_the_session_and_says_so(five):
    from pcqtool.splits import PROTOCOLS

    utterances, protocol = IEMOCAP(five).utterances(), PROTOCOLS["loso"]
    assert "up to 1 session" in leakage_report(protocol, protocol.folds(utterances, 0), utterances).text
