from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pcqtool.corpora.datasets.emodb import EmoDB
from pcqtool.corpora.manifest.corpus import Manifest
from pcqtool.corpora.pool import CorpusPool, PooledCorpus
from pcqtool.errors import CorpusError, SettingsError
from pcqtool.splits import (
    ValidationSize,
    cross_corpus_protocol,
    find_protocol,
    leakage_report,
    leave_corpus_out,
    only_parts_of,
)


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
        "Trained on one; the test corpus two was left out. "
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


def test_each_corpus_tests_a_model_of_the_others(pool_of):
    pool = pool_of(one=4, two=3, three=3)
    protocol = leave_corpus_out(pool)
    folds = protocol.folds(pool.utterances, 0)
    assert [fold.name for fold in folds] == ["one", "two", "three"]
    for fold in folds:
        corpora = [{pool.corpus_of_each[index] for index in part} for part in (fold.train, fold.validation, fold.test)]
        others = {"one", "two", "three"} - {fold.name}
        assert corpora == [others, others, {fold.name}]
        assert {*fold.train, *fold.validation, *fold.test} == set(range(len(pool.utterances)))
        for part in (fold.train, fold.validation, fold.test):
            assert list(part) == sorted(part)
    assert [fold.test for fold in protocol.folds(pool.utterances, 1)] == [fold.test for fold in folds]
    found = leakage_report(protocol, folds, pool.utterances)
    assert (found.leaks, found.speaker_independent) == (False, True)
    for stamp in (
        "Trained on two, three; the test corpus one was left out.",
        "Trained on one, two; the test corpus three was left out.",
    ):
        assert stamp in found.text


def test_a_corpus_is_tested_on_labels_that_another_has(pool_of):
    pool = CorpusPool((*pool_of("abc", one=4).members, *pool_of("bcd", two=3).members, *pool_of("cb", three=3).members))
    folds = leave_corpus_out(pool).folds(pool.utterances, 0)
    tested = [{pool.utterances[index].label for index in fold.test} for fold in folds]
    assert tested == [{"b", "c"}, {"b", "c"}, {"b", "c"}]
    trained = [{pool.utterances[index].label for index in fold.train} for fold in folds]
    assert trained == [{"b", "c", "d"}, {"a", "b", "c"}, {"a", "b", "c", "d"}]


def test_what_cannot_be_left_out_is_refused(pool_of):
    with pytest.raises(SettingsError, match="two or more corpora"):
        leave_corpus_out(pool_of(one=4))
    strange = CorpusPool((*pool_of("ab", one=4).members, *pool_of("bc", two=4).members))
    with pytest.raises(CorpusError, match="corpus one shares fewer than two labels with the others: it has a, b"):
        leave_corpus_out(strange).folds(strange.utterances, 0)


@pytest.mark.parametrize(("name", "n_folds"), [("loso", 3), ("random10", 8)])
def test_parts_of_one_corpus_test_and_the_others_are_trained_on(pool_of, name, n_folds):
    pool = pool_of(one=4, two=3)
    folds = only_parts_of("two", find_protocol(name), pool).folds(pool.utterances, 0)
    owner = pool.corpus_of_each
    assert len(folds) == n_folds  # two tenths have no recording of it
    assert sorted(index for fold in folds for index in fold.test) == [n for n in range(28) if owner[n] == "two"]
    for fold in folds:
        assert {owner[index] for index in fold.train} == {"one", "two"}
        assert not {*fold.train, *fold.validation} & {*fold.test}


def test_only_one_of_several_corpora_can_be_tested(pool_of):
    for pool, name in ((pool_of(one=4, two=3), "three"), (pool_of(one=4), "one")):
        with pytest.raises(SettingsError, match=f"--test-corpus {name}: with --protocol, it is one of several"):
            only_parts_of(name, find_protocol("loso"), pool)
