from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pcqtool.corpora.base import Corpus
from pcqtool.corpora.registry import CorpusRegistration, corpus_class, open_corpus, registered_corpora
from pcqtool.errors import CorpusError
from pcqtool.plugins import isolation


def entries(name: str) -> list[CorpusRegistration]:
    return [entry for entry in registered_corpora() if entry.name == name]


def test_built_in_corpora_are_found_through_the_entry_points_of_the_project(install):
    built_in = [entry for entry in registered_corpora() if entry.built_in]
    assert {"emodb", "iemocap", "manifest", "ravdess"} <= {entry.name for entry in built_in}
    assert [entry.error for entry in built_in if entry.error] == []


def test_a_plugin_is_found_and_opened(install, good, tmp_path):
    install("good-plugin", {"fine": "good_plugin:Good"}, good("fine"))
    (entry,) = entries("fine")
    assert (entry.distribution, entry.version, entry.error) == ("good-plugin", "1.0", None)
    corpus = open_corpus("fine", tmp_path)
    assert isinstance(corpus, Corpus)
    assert corpus.root == tmp_path


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("raise RuntimeError('no licence key')", "RuntimeError: no licence key"),
        ("import a_module_that_nobody_has", "ModuleNotFoundError"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("import sys; sys.exit('no licence')", "SystemExit: no licence"),
        ("def broken(:", "SyntaxError"),
        ("Other = 1", "AttributeError"),
        ("Good = 'text'", "not a class"),
        ("class Good:\n    name = 'bad'\n    title = ''", "lacks citation, licence, url, labels, utterances"),
    ],
)
def test_a_broken_plugin_is_an_entry_with_its_reason_and_the_rest_works(install, source, text):
    install("bad-plugin", {"bad": "bad_plugin:Good"}, source)
    (entry,) = entries("bad")
    assert entry.loaded is None
    assert text in entry.error
    assert entries("emodb")[0].loaded is not None
    with pytest.raises(CorpusError, match="cannot be used") as caught:
        corpus_class("bad")
    assert text in caught.value.what
    assert "bad-plugin 1.0" in caught.value.hint


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("(self, root)", "(self)", "cannot be called as Good(root)"),
        ("utterances(self)", "utterances(self, split)", "cannot be called as utterances()"),
        ('"anger"', '"rage"', "unknown emotion 'rage'"),
    ],
)
def test_a_class_that_breaks_the_contract_is_an_entry_with_its_reason(install, good, old, new, text):
    install("bad-plugin", {"bad": "bad_plugin:Good"}, good("bad").replace(old, new))
    (entry,) = entries("bad")
    assert entry.loaded is None
    assert text in entry.error
    assert corpus_class("emodb").__name__ == "EmoDB"


def test_the_output_of_a_plugin_is_not_data(install, good, capsys):
    install("loud", {"loud": "loud:Good"}, "print('hello')\n" + good("loud"))
    (entry,) = entries("loud")
    assert entry.error is None
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "hello\n")


DEADLY = {
    "import os; os._exit(0)": "ends the process that imports it, with exit code 0",
    "import os; os._exit(7)": "with exit code 7",
    "import os, signal; os.kill(os.getpid(), signal.SIGKILL)": "with signal 9",
    "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)": "with signal 11",
    "raise KeyboardInterrupt('no')": "KeyboardInterrupt: no",
    "raise GeneratorExit": "GeneratorExit",
    "class Own(BaseException): pass\nraise Own('own')": "Own: own",
    "class Odd(Exception):\n    def __str__(self): raise ValueError\nraise Odd": "Odd",
    "def deep(): deep()\ndeep()": "RecursionError",
    "import os; os.write(1, b'null\\n' * 9); raise RuntimeError('said')": "RuntimeError: said",
    "import os; os.close(1); os.close(2); raise RuntimeError('closed')": "RuntimeError: closed",
    "import sys; sys.stdout = sys.stderr = None; raise RuntimeError('none')": "RuntimeError: none",
    "import threading, time; threading.Thread(target=time.sleep, args=(1000,)).start(); raise RuntimeError('t')": "t",
}


@pytest.mark.parametrize("source", DEADLY)
def test_a_crash_at_import_is_reported_and_the_other_plugins_are_listed(install, good, source):
    install("aa-plugin", {"aa": "aa_plugin:Good"}, good("aa"))
    install("bad-plugin", {"bad": "bad_plugin:Good"}, source)
    install("zz-plugin", {"zz": "zz_plugin:Good"}, good("zz"))
    found = {entry.name: entry for entry in registered_corpora()}
    assert found["bad"].loaded is None
    assert DEADLY[source] in found["bad"].error
    assert [found[name].error for name in ("aa", "zz", "emodb")] == [None] * 3
    assert "bad_plugin" not in sys.modules
    with pytest.raises(CorpusError, match="cannot be used"):
        corpus_class("bad")


@pytest.mark.slow
def test_a_plugin_that_hangs_is_stopped(install, good, monkeypatch):
    monkeypatch.setattr(isolation, "LOAD_TIMEOUT_S", 5.0)
    install("bad-plugin", {"bad": "bad_plugin:Good"}, "import time; time.sleep(1000)")
    with pytest.raises(CorpusError, match="'bad' cannot be used: its import takes more than 5 s"):
        corpus_class("bad")


def test_several_crashing_plugins_do_not_hide_each_other(install, good):
    for name in ("one", "two", "six"):
        install(f"{name}-plugin", {name: f"{name}_plugin:Good"}, f"import os; os._exit({len(name)})")
    install("fine-plugin", {"fine": "fine_plugin:Good"}, good("fine"))
    found = {entry.name: entry.error for entry in registered_corpora() if not entry.built_in}
    assert {name for name, error in found.items() if error and "exit code 3" in error} == {"one", "two", "six"}
    assert found["fine"] is None


def test_without_plugins_no_process_is_started(install, monkeypatch):
    monkeypatch.setattr("subprocess.Popen", None)
    assert corpus_class("emodb").__name__ == "EmoDB"


def test_damaged_entry_points_of_one_distribution_hide_no_other(install, good, tmp_path):
    install("good-plugin", {"fine": "good_plugin:Good"}, good("fine"))
    install("odd-plugin", {}, "")
    (tmp_path / "site" / "odd_plugin-1.0.dist-info" / "entry_points.txt").write_bytes(
        b"[pcqtool.corpora]\n\xff = a:b\n"
    )
    assert entries("fine")[0].error is None
    assert [entry.error for entry in entries("emodb")] == [None]


def test_two_plugins_with_one_name_are_both_refused_and_named(install, good):
    install("first", {"twin": "first:Good"}, good("twin"))
    install("second", {"twin": "second:Good"}, good("twin"))
    first, second = entries("twin")
    assert first.loaded is second.loaded is None
    assert "second:Good of second" in first.error
    assert "first:Good of first" in second.error
    with pytest.raises(CorpusError, match="also registered by"):
        corpus_class("twin")
    assert entries("manifest")[0].error is None


def test_a_plugin_cannot_take_the_name_of_a_built_in_corpus(install, good):
    install("thief", {"ravdess": "thief:Good"}, good("ravdess"))
    ours, theirs = entries("ravdess")
    assert ours.error is None
    assert theirs.loaded is None
    assert theirs.error == (
        "the name 'ravdess' is also registered by pcqtool.corpora.datasets.ravdess:RAVDESS of pcqtool"
    )
    assert corpus_class("ravdess").__name__ == "RAVDESS"


def test_a_broken_plugin_does_not_keep_another_corpus_from_being_opened(install, tmp_path):
    install("bad-plugin", {"bad": "bad_plugin:Good"}, "raise RuntimeError")
    assert open_corpus("emodb", tmp_path).name == "emodb"
    assert "bad_plugin" not in sys.modules


def test_an_unknown_name_lists_the_known_ones_and_the_nearest(install):
    with pytest.raises(CorpusError, match="did you mean 'emodb'") as caught:
        corpus_class("EMO-DB")
    known = sorted({entry.name for entry in registered_corpora()})
    assert {"emodb", "iemocap", "manifest"} <= set(known)
    assert caught.value.hint == f"Known: {', '.join(known)}."
    with pytest.raises(CorpusError) as caught:
        corpus_class("zzz")
    assert "did you mean" not in caught.value.what


@pytest.mark.parametrize("raised", ["KeyError('oops')", "SystemExit('oops')", "GeneratorExit('oops')"])
def test_a_constructor_that_raises_is_the_plugins_fault(install, good, tmp_path, raised):
    install("late", {"late": "late:Good"}, good("late").replace("self.root = root", f"raise {raised}"))
    with pytest.raises(CorpusError, match=r"'late' cannot open .*oops"):
        open_corpus("late", tmp_path)


def test_listing_imports_nothing_heavy(install, tmp_path):
    code = (
        "import sys; from pcqtool.corpora.registry import registered_corpora; assert len(registered_corpora()) >= 3; "
        "print([m for m in ('torch', 'numpy', 'polars', 'sklearn', 'pyarrow') if m in sys.modules])"
    )
    path = f"import sys; sys.path[:0] = [{str(tmp_path / 'site')!r}, {str(Path(__file__).parents[2])!r}]; "
    done = subprocess.run([sys.executable, "-c", path + code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
