from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pcqtool.corpora.datasets.emodb import EmoDB
from pcqtool.corpora.manifest.corpus import Manifest
from pcqtool.corpora.pool import CorpusPool, PooledCorpus
from pcqtool.errors import CorpusError
from pcqtool.splits import ValidationSize, cross_corpus_protocol, leakage_report


@pytest.fixture
def pool_of(corpus):
    """Make a pool of corpora with so many speakers each, all called the same."""

    def make(labels="ab", **n_speakers):
        members = []
        for name, n in n_speakers.items():
            some = tuple(replace(each, path=Path(name) / each.path) for each in corpus(n, labels, takes=2))
            members.append(PooledCorpus(name, Manifest(Path(name)), some))
        return CorpusPool(tuple(members))

    return make


def test_all_of_one_tests_and_speakers_of_the_other_validate(pool_of):
    train, test = pool_of(one=4), pool_of(two=3)
    protocol = cross_corpus_protocol(train, test)
    utterances = [*train.prefixed_utterances, *test.prefixed_utterances]
    (fold,) = protocol.folds(utterances, 0)
    assert (fold.name, fold.test) == ("two", tuple(range(16, 28)))
    assert sorted(fold.train + fold.validation) == list(range(16))
    assert {utterances[index].speaker for index in fold.test} == {f"two:s0{n}" for n in range(3)}
    assert len({utterances[index].speaker for index in fold.validation}) == 1
    (other,) = protocol.folds(utterances, 1)
    assert other.validation != fold.validation


def test_each_of_several_corpora_validates(pool_of):
    train, test = pool_of(one=4, two=3), pool_of(three=2)
    utterances = [*train.prefixed_utterances, *test.prefixed_utterances]
    (fold,) = cross_corpus_protocol(train, test).folds(utterances, 0, ValidationSize(2))
    names = sorted({str(utterances[index].speaker).split(":")[0] for index in fold.validation})
    assert names == ["one", "two"]
    assert len({utterances[index].speaker for index in fold.validation}) == 4


def test_the_stamp_says_what_is_known_and_what_is_taken_for_granted(pool_of):
    train, test = pool_of(one=4), pool_of(two=3)
    protocol, utterances = cross_corpus_protocol(train, test), [*train.prefixed_utterances, *test.prefixed_utterances]
    assert (protocol.name, protocol.title) == ("cross-corpus", "train one, test two, 2 shared labels")
    found = leakage_report(protocol, protocol.folds(utterances, 0), utterances)
    assert found.text == (
        "Test and the other parts share no file, no speaker, no session and no text. "
        "Speakers, sessions and texts of two corpora are treated as different."
    )
    assert (found.leaks, found.speaker_independent) == (False, True)


def test_another_copy_of_what_was_trained_on_is_refused(corpus):
    copies = []
    for name in ("emodb", "phone"):
        some = tuple(replace(each, path=Path(name) / each.path) for each in corpus(4))
        copies.append(CorpusPool((PooledCorpus(name, EmoDB(Path()), some),)))
    train, test = copies
    with pytest.raises(CorpusError, match=r"share 4 speaker\(s\)"):
        cross_corpus_protocol(train, test).folds([*train.prefixed_utterances, *test.prefixed_utterances], 0)


def test_a_corpus_of_one_speaker_cannot_be_trained_on(pool_of, corpus):
    train, test = pool_of(one=1), pool_of(two=2)
    with pytest.raises(CorpusError, match="needs at least 2 speakers"):
        cross_corpus_protocol(train, test).folds([*train.prefixed_utterances, *test.prefixed_utterances], 0)
