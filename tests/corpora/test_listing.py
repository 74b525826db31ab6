"""Listing corpora whose classes may be broken."""

from __future__ import annotations

from pathlib import Path

import pytest

from pcqtool.corpora.base import Utterance
from pcqtool.corpora.registry import list_utterances
from pcqtool.errors import CorpusError

GOOD = Utterance(Path("a.wav"), "anger", "anna", None, "Hello.\nWho is there?")


def corpus(found):
    class Listed:
        name = "listed"

        def utterances(self):
            if isinstance(found, BaseException):
                raise found
            return found

    return Listed()


def test_a_valid_list_is_returned_unchanged():
    assert list_utterances(corpus((GOOD,))) == [GOOD]


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (KeyError("x"), "cannot be listed: KeyError"),
        (SystemExit(3), "cannot be listed: SystemExit: 3"),
        (GeneratorExit("x"), "cannot be listed: GeneratorExit: x"),
        (RecursionError(), "cannot be listed: RecursionError"),
        (None, "cannot be listed: TypeError"),
        ([GOOD, "a.wav"], "'a.wav', which is not an Utterance"),
        ([Utterance(Path("a.wav"), None)], "label is None, a NoneType, not text"),
        ([Utterance(Path("a.wav"), 5)], "label is 5, a int, not text"),
        ([Utterance(Path("a.wav"), "anger", b"anna")], "a bytes, not text"),
        ([Utterance(Path("a.wav"), "anger", "\udcff")], "which is not valid UTF-8"),
        ([Utterance(Path("a.wav"), "anger", session="a\nb")], "which contains control characters"),
        ([Utterance(Path("a.wav"), "x" * 10_000)], "has 10,000 characters"),
        ([Utterance("a.wav", "anger")], "path is 'a.wav', a str, not a Path"),
        ([Utterance(Path("a.wav"), "anger", start_s=2.0, end_s=2)], "end_s 2 is not after start_s 2"),
        ([Utterance(Path("a.wav"), "anger", end_s=float("nan"))], "end_s is nan"),
        ([Utterance(Path("a.wav"), "anger", start_s="1.5")], "start_s is '1.5', a str"),
        ([Utterance(Path("a.wav"), "anger", channel=-1)], "channel is -1"),
        ([Utterance(Path("a.wav"), "anger", channel=1.0)], "channel is 1.0, a float"),
    ],
)
def test_anything_else_is_an_error_of_the_corpus(found, said):
    with pytest.raises(CorpusError, match="corpus 'listed'") as caught:
        list_utterances(corpus(found))
    assert said in caught.value.what
    assert "plugin" in caught.value.hint


def test_errors_of_the_corpus_are_passed_on():
    with pytest.raises(CorpusError, match=r"^its own$"):
        list_utterances(corpus(CorpusError("its own")))
    with pytest.raises(KeyboardInterrupt):
        list_utterances(corpus(KeyboardInterrupt()))
