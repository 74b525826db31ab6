"""The names that ``pcqtool.corpora`` offers to plugins."""

import subprocess
import sys

import pytest

from pcqtool import corpora

HEAVY = ("torch", "numpy", "polars", "pyarrow", "soundfile", "pcqtool.audio", "pcqtool.tables", "pcqtool.model")


@pytest.mark.parametrize("name", corpora.__all__)
def test_every_offered_name_is_documented(name):
    assert getattr(corpora, name).__doc__


def test_the_import_loads_nothing_heavy():
    code = f"import sys, pcqtool.corpora; print([each for each in {HEAVY} if each in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"


def test_a_plugin_needs_one_import(tmp_path):
    (tmp_path / "mine.py").write_text(
        "from pcqtool.corpora import Download, Expected, Utterance, canonical, utterances_from_names\n"
        "class Mine:\n"
        "    name, title, citation, licence, url = 'mine', 'Mine', '', '', None\n"
        "    labels = ('anger', 'sadness')\n"
        "    downloads = (Download('https://example.org/mine.zip'),)\n"
        "    expected = Expected(n_utterances=2)\n"
        "    def __init__(self, root): self.root = root\n"
        "    def utterances(self):\n"
        "        return utterances_from_names(self.title, self.root, '[a-z]+_[a-z]+', 'anna_sad', self._utterance)\n"
        "    def _utterance(self, path, match):\n"
        "        speaker, emotion = path.stem.split('_')\n"
        "        return Utterance(path, canonical(emotion), speaker=speaker)\n"
    )
    (tmp_path / "copy").mkdir()
    for name in ("anna_sad.wav", "bert_angry.wav"):
        (tmp_path / "copy" / name).touch()
    code = (
        "from pathlib import Path; from mine import Mine; from pcqtool.corpora.testing import check; "
        "print([(each.speaker, each.label) for each in check(Mine, Path('copy'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout == "[('anna', 'sadness'), ('bert', 'anger')]\n", done.stderr
