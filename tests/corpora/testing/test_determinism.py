"""Listing a corpus in another process, also if the corpus ends that process."""

from __future__ import annotations

import importlib

import pytest

from pcqtool.corpora.testing import determinism


@pytest.fixture
def listed(install, good, tmp_path):
    """Make a corpus class whose list is made by some code."""

    def make(code: str) -> type:
        install("other", {}, "import os, time\n" + good("other").replace("return []", code))
        return importlib.import_module("other").Good

    return make


def test_a_list_comes_back(listed, tmp_path):
    assert determinism.list_in_subprocess(listed("return []"), tmp_path).utterances == []


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("os._exit(0)", "without an answer"),
        ("os._exit(3)", "exit code 3"),
        ("os.kill(os.getpid(), 9)", "exit code -9"),
        ("os.write(1, b'x'); os._exit(0)", "without an answer"),
        ("raise RuntimeError('so')", "RuntimeError: so"),
    ],
)
def test_a_missing_answer_is_reported(listed, tmp_path, code, said):
    answer = determinism.list_in_subprocess(listed(code), tmp_path)
    assert answer.utterances is None
    assert said in answer.error


def test_an_answer_has_a_time_limit(listed, tmp_path, monkeypatch):
    monkeypatch.setattr(determinism, "LIST_TIMEOUT_S", 3.0)
    assert "no answer within 3 s" in determinism.list_in_subprocess(listed("time.sleep(1000)"), tmp_path).error
