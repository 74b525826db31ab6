from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from pcqtool.corpora.base import Corpus, Utterance


def test_an_utterance_has_unknown_values_and_is_immutable():
    utterance = Utterance(Path("a.wav"), "anger")
    assert dataclasses.astuple(utterance)[2:] == (None,) * 6
    with pytest.raises(dataclasses.FrozenInstanceError):
        utterance.label = "calm"
    assert utterance in {Utterance(Path("a.wav"), "anger")}


def test_a_class_without_utterances_is_not_a_corpus():
    class Half:
        name = title = citation = licence = ""
        url = None
        labels = ()

    assert not isinstance(Half(), Corpus)
