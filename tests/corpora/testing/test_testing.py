from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pcqtool.corpora.datasets.emodb import EmoDB
from pcqtool.corpora.datasets.iemocap import IEMOCAP
from pcqtool.corpora.manifest.corpus import Manifest
from pcqtool.corpora.testing import ConformanceError, check, digests
from pcqtool.errors import CorpusError

SOUND = """
from pcqtool.corpora.base import Utterance
from pcqtool.errors import CorpusError

class Mine:
    name = "mine"
    title = "Mine"
    labels = ("anger", "neutral")
    citation = "None."
    licence = "None."
    url = None

    def __init__(self, root):
        self.root = root

    def utterances(self):
        files = sorted(self.root.glob("*.wav"))
        if not files:
            raise CorpusError(f"nothing in {self.root}")
        return [self.utterance(path) for path in files]

    def utterance(self, path):
        return Utterance(path, "anger" if "anger" in path.name else "neutral", speaker=path.name[0])
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "corpus"
    folder.mkdir()
    for name in ("a-anger.wav", "a-neutral.wav", "b-anger.wav"):
        (folder / name).touch()
    return folder


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., type]:
    """Import the sound class as a module of its own, with replacements made in its source."""
    (tmp_path / "site").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def load(*changes: tuple[str, str]) -> type:
        source = SOUND
        for old, new in changes:
            assert old in source
            source = source.replace(old, new)
        (tmp_path / "site" / "mine_module.py").write_text(source)
        monkeypatch.delitem(sys.modules, "mine_module", raising=False)
        importlib.invalidate_caches()
        return importlib.import_module("mine_module").Mine

    return load


def test_a_valid_class_passes_and_its_utterances_are_returned(mine, root):
    assert [(each.path.name, each.label) for each in check(mine(), root)] == [
        ("a-anger.wav", "anger"),
        ("a-neutral.wav", "neutral"),
        ("b-anger.wav", "anger"),
    ]


def test_a_relative_root_is_accepted(mine, root, monkeypatch):
    monkeypatch.chdir(root.parent)
    assert len(check(mine(), Path("corpus"))) == 3


LISTED = "[self.utterance(path) for path in files]"
MADE = 'Utterance(path, "anger" if "anger" in path.name else "neutral", speaker=path.name[0])'


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ('"neutral")', '"hunger")', "unknown emotion 'hunger'"),
        ("(self, root)", "(self)", "cannot be called as Mine(root)"),
        ('labels = ("anger", "neutral")', 'labels = ("anger",)', "'neutral' is not one of its labels"),
        (LISTED, f"iter({LISTED})", "not a list"),
        (LISTED, "files", "not only Utterance"),
        (LISTED, "[]", "returns an empty list"),
        (LISTED, f"{LISTED} * 2", "listed twice"),
        (MADE, 'Utterance(path.with_suffix(".flac"), "anger")', "no such file"),
        (MADE, 'Utterance(str(path), "anger")', "a str"),
        (MADE, 'Utterance(path, "Anger")', "must be written 'anger'"),
        (MADE, 'Utterance(path, "anger", speaker="")', "use None if it is unknown"),
        (MADE, 'Utterance(path, "anger", speaker=3)', "speaker is 3, a int"),
        (MADE, 'Utterance(path, "anger", start_s=2.0, end_s=1.0)', "end_s 1 is not after start_s 2"),
        (MADE, 'Utterance(path, "anger", start_s=float("nan"))', "start_s is nan"),
        (MADE, 'Utterance(path, "anger", channel=-1)', "channel is -1"),
        (MADE, 'Utterance(path, "anger", channel=True)', "channel is True"),
        (MADE, 'Utterance(__import__("pathlib").Path(__file__), "anger")', "not below"),
        (MADE, 'Utterance(path, "anger", speaker=str(id(self)))', "a different list the second time"),
        ('sorted(self.root.glob("*.wav"))', "list(self.root.iterdir())", "depends on the directory's order"),
        ("self.root = root", "self.root = root; self.files = lambda: 0", "cannot be pickled"),
        (
            "self.root = root",
            "self.root = root; self.files = open(root / 'a-anger.wav')",
            "when a missing folder is opened",
        ),
        ('raise CorpusError(f"nothing in {self.root}")', "return []", "a missing folder is not an error"),
        ("raise CorpusError(", "raise KeyError(", "a missing folder raises KeyError"),
        ("        files =", "        (self.root / 'cache').touch()\n        files =", "changes files below its root"),
        ("class Mine:", "import numpy\n\nclass Mine:", "imports numpy"),
    ],
)
def test_each_breach_of_the_contract_is_named(mine, root, old, new, text):
    with pytest.raises(AssertionError) as caught:
        check(mine((old, new)), root)
    assert text in str(caught.value)


def test_an_order_that_depends_on_hashes_is_detected(mine, root):
    for index in range(30):
        (root / f"c{index}.wav").touch()
    source = 'sorted(self.root.glob("*.wav"))', '[self.root / n for n in {p.name for p in self.root.glob("*.wav")}]'
    with pytest.raises(ConformanceError, match="depends on the directory's order"):
        check(mine(source), root)


def test_all_problems_are_reported_at_once_and_similar_ones_are_counted(mine, root):
    for index in range(30):
        (root / f"c{index}.wav").touch()
    broken = mine(
        (MADE, 'Utterance(path, "joy", channel=-1)'), ('raise CorpusError(f"nothing in {self.root}")', "pass")
    )
    with pytest.raises(ConformanceError) as caught:
        check(broken, root)
    text = str(caught.value)
    assert "'joy' is not one of its labels" in text
    assert "channel is -1" in text
    assert "a missing folder is not an error" in text
    assert len(caught.value.problems) < 30
    assert "28 more problems with channel" in text


def test_built_in_corpora_fulfil_the_contract(tmp_path):
    emodb = tmp_path / "emodb" / "wav"
    emodb.mkdir(parents=True)
    for name in ("16b10Td.wav", "03a01Fa.wav"):
        (emodb / name).touch()
    assert len(check(EmoDB, emodb.parent)) == 2
    (tmp_path / "metadata.csv").write_text("file_name,label\nemodb/wav/16b10Td.wav,sad\nemodb/wav/03a01Fa.wav,happy\n")
    assert len(check(Manifest, tmp_path / "metadata.csv")) == 2
    session = tmp_path / "iemocap" / "Session1"
    for folder in ("dialog/EmoEvaluation", "sentences/wav/Ses01F_impro01"):
        (session / folder).mkdir(parents=True)
    line = "[6.2901 - 8.2357]\tSes01F_impro01_F000\tang\t[2.5000, 2.5000, 2.5000]\n"
    (session / "dialog/EmoEvaluation/Ses01F_impro01.txt").write_text(line)
    (session / "sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav").touch()
    assert len(check(IEMOCAP, session.parent)) == 1


def test_digests_depend_on_samples_and_not_on_files(mine, write_wave, tmp_path):
    import soundfile

    for seed, name in enumerate(("a.wav", "b.wav")):
        write_wave(f"sounds/{name}", 0.2, seed=seed)
    lines = digests(mine()(tmp_path / "sounds")).splitlines()
    assert [line.split()[1] for line in lines] == ["a.wav", "b.wav"]
    assert len({line.split()[0] for line in lines}) == 2
    for name in ("a.wav", "b.wav"):
        samples, rate = soundfile.read(tmp_path / "sounds" / name, dtype="int16")
        soundfile.write(tmp_path / "sounds" / name, samples, rate, format="AIFF")
    assert digests(mine()(tmp_path / "sounds")).splitlines() == lines


def test_unreadable_recordings_have_no_digests(mine, tmp_path):
    (tmp_path / "a.wav").write_bytes(b"RIFF")
    with pytest.raises(CorpusError, match=r"a\.wav"):
        digests(mine()(tmp_path))
