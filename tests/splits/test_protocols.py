from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pcqtool.corpora.base import Utterance
from pcqtool.corpora.datasets.emodb import EmoDB
from pcqtool.errors import CorpusError, SettingsError
from pcqtool.splits import PROTOCOLS, Fold, Protocol, SharedCounts, ValidationSize, find_protocol, holdout, overlap

REAL = Path(os.environ.get("PCQTOOL_CORPORA", Path(__file__).parents[2].parent / "shared" / "corpora")) / "emodb"


def values(utterances: list[Utterance], part: tuple[int, ...], attribute: str = "speaker") -> set[str | None]:
    return {getattr(utterances[index], attribute) for index in part}


@settings(deadline=None, max_examples=15)  # scikit-learn's import takes long
@given(n_speakers=st.integers(6, 12), takes=st.integers(12, 14), seed=st.integers(0, 2**32 - 1), data=st.data())
@pytest.mark.parametrize("name", PROTOCOLS)
def test_every_utterance_is_tested_once_and_every_promise_is_kept(corpus, name, n_speakers, takes, seed, data):
    protocol = PROTOCOLS[name]
    n_validation = data.draw(st.integers(1, 2)) if protocol.unit else 1
    utterances = corpus(n_speakers, takes=takes)
    folds = protocol.folds(utterances, seed, ValidationSize(n_validation))
    assert Counter(index for fold in folds for index in fold.test) == Counter(range(len(utterances)))
    assert len({fold.name for fold in folds}) == len(folds)
    for fold in folds:
        assert {*fold.train, *fold.validation, *fold.test} == set(range(len(utterances)))
        assert not {*fold.train} & {*fold.validation, *fold.test}
        counts = overlap(fold, utterances)
        assert all(getattr(counts.test, group) == 0 for group in protocol.disjointness.test)
        assert all(getattr(counts.validation, group) == 0 for group in protocol.disjointness.validation)
        assert name == "paper" or not {*fold.validation} & {*fold.test}


@pytest.mark.parametrize("name", PROTOCOLS)
def test_the_seed_decides_and_tests_of_speakers_texts_and_sessions_stay(corpus, name):
    utterances, protocol = corpus(10, takes=10), PROTOCOLS[name]
    first, again, other = (protocol.folds(utterances, seed) for seed in (1, 1, 2))
    assert first == again
    assert (first == other) == (name == "paper")
    assert name == "random10" or [fold.test for fold in first] == [fold.test for fold in other]


@given(n_speakers=st.integers(4, 12), seed=st.integers(0, 2**32), n_validation=st.integers(1, 2))
def test_loso_lets_every_speaker_test_once_and_validate_equally_often(corpus, n_speakers, seed, n_validation):
    utterances = corpus(n_speakers)
    folds = PROTOCOLS["loso"].folds(utterances, seed, ValidationSize(n_validation))
    assert [fold.name for fold in folds] == sorted({u.speaker for u in utterances})
    validated = Counter()
    for fold in folds:
        assert values(utterances, fold.test) == {fold.name}
        assert len(values(utterances, fold.validation)) == n_validation
        validated.update(values(utterances, fold.validation))
    assert set(validated.values()) == {n_validation}


def test_loso_gives_the_folds_that_it_always_gave(corpus):
    utterances = corpus(5, labels="ab")
    found = {fold.name: values(utterances, fold.validation) for fold in PROTOCOLS["loso"].folds(utterances, 2)}
    assert found == {"s00": {"s04"}, "s01": {"s02"}, "s02": {"s00"}, "s03": {"s01"}, "s04": {"s03"}}


def test_session_tests_both_speakers_and_validates_on_one_of_another_session(corpus):
    utterances = corpus(10)
    folds = PROTOCOLS["session"].folds(utterances, 0)
    assert [fold.name for fold in folds] == ["p0", "p1", "p2", "p3", "p4"]
    for fold in folds:
        assert values(utterances, fold.test, "session") == {fold.name}
        assert len(values(utterances, fold.test)) == 2
        assert len(values(utterances, fold.validation)) == 1


def test_session_refuses_a_speaker_in_two_sessions(corpus):
    utterances = [*corpus(6), Utterance(Path("x.wav"), "a", "s00", "p2")]
    with pytest.raises(CorpusError, match=r"share 1 speaker\(s\)"):
        PROTOCOLS["session"].folds(utterances, 0)


def test_random10_shares_out_the_classes(corpus):
    utterances = [u for u in corpus(5, takes=11) if u.label == "a" or u.speaker != "s00"]
    for fold in PROTOCOLS["random10"].folds(utterances, 3):
        for part in (fold.test, fold.validation):
            counts = Counter(utterances[index].label for index in part)
            assert abs(counts["a"] - 5.5) <= 0.5
            assert abs(counts["b"] - 4.4) <= 0.6


def test_random10_never_tears_a_file_apart(corpus):
    utterances = [
        replace(each, path=Path(f"call{number // 3}.wav"), start_s=float(number % 3))
        for number, each in enumerate(corpus(10, takes=6))
    ]
    for fold in PROTOCOLS["random10"].folds(utterances, 0):
        parts = [values(utterances, part, "path") for part in (fold.train, fold.validation, fold.test)]
        assert sum(map(len, parts)) == len(set.union(*parts)) == 40


@pytest.mark.parametrize(("takes", "n_folds"), [(3, 3), (10, 10), (23, 10)])
def test_sentence_makes_a_fold_of_each_text_or_ten_of_many(corpus, takes, n_folds):
    utterances = corpus(4, takes=takes)
    folds = PROTOCOLS["sentence"].folds(utterances, 0)
    assert len(folds) == n_folds
    for fold in folds:
        texts = [values(utterances, part, "text_id") for part in (fold.train, fold.validation, fold.test)]
        assert sum(map(len, texts)) == takes == len(set.union(*texts))


def test_paper_validates_on_the_very_test_part(corpus):
    for fold in PROTOCOLS["paper"].folds(corpus(4), 0):
        assert fold.validation == fold.test
    assert PROTOCOLS["paper"].leakage
    assert not any(protocol.leakage for name, protocol in PROTOCOLS.items() if name != "paper")


def test_a_protocol_that_leaks_by_mistake_is_refused(corpus):
    def careless(utterances, seed, n_validation):
        return [Fold("x", (0, 1, 2, 3), (4, 5), (6, 7, 3))]

    with pytest.raises(CorpusError, match=r"share 1 file\(s\)"):
        Protocol("careless", "", careless).folds(corpus(4), 0)


@given(n_speakers=st.integers(2, 10), data=st.data())
@settings(deadline=None)
def test_holdout_keeps_whole_speakers_for_validation(corpus, n_speakers, data):
    kept, seed = data.draw(st.integers(1, n_speakers - 1)), data.draw(st.integers(0, 99))
    utterances = corpus(n_speakers, takes=2)
    fold = holdout(utterances, seed, ValidationSize(kept))
    assert fold.test == ()
    assert sorted(fold.train + fold.validation) == list(range(len(utterances)))
    assert len(values(utterances, fold.validation)) == kept
    assert not values(utterances, fold.train) & values(utterances, fold.validation)


def test_holdout_keeps_speakers_of_each_corpus(corpus):
    one, two, alone = corpus(4, takes=2), corpus(3), corpus(1)
    utterances = [
        replace(each, speaker=f"{name}:{each.speaker}", path=Path(name) / each.path)
        for name, some in (("one", one), ("two", two), ("alone", alone))
        for each in some
    ]
    corpora = [*["one"] * len(one), *["two"] * len(two), *["alone"] * len(alone)]
    for seed in range(5):
        chosen = sorted(values(utterances, holdout(utterances, seed, ValidationSize(2), corpora).validation))
        assert [name.split(":")[0] for name in chosen] == ["one", "one", "two", "two"]


def test_holdout_of_corpora_with_one_speaker_each_keeps_one_of_them(corpus):
    utterances = [replace(each, speaker=name, path=Path(name) / each.path) for name in "xyz" for each in corpus(1)]
    fold = holdout(utterances, 0, corpora=[each.speaker for each in utterances])
    assert len(values(utterances, fold.validation)) == 1


@pytest.mark.parametrize(
    ("name", "n_speakers", "text"),
    [
        ("loso", 1, "needs at least 3 speakers; this corpus has 1"),
        ("loso", 2, "needs at least 3 speakers; this corpus has 2"),
        ("paper", 1, "needs at least 2 speakers; this corpus has 1"),
        ("session", 2, "needs at least 2 sessions; this corpus has 1"),
        ("session", 3, "outside session p0 there are fewer than 2 speakers"),
        ("sentence", 4, "needs at least 3 texts; this corpus has 1"),
        ("random10", 4, "need 10 files of each class; there are 4 of a, 4 of b"),
    ],
)
def test_a_corpus_that_is_too_small_is_an_error(corpus, name, n_speakers, text):
    with pytest.raises(CorpusError, match=text):
        PROTOCOLS[name].folds(corpus(n_speakers), 0)


@pytest.mark.parametrize(
    ("name", "validating", "text"),
    [
        ("loso", ValidationSize(9), "9 of the 9 outside the test part"),
        ("loso", ValidationSize(fraction=0.95), "9 of the 9 outside the test part"),
        ("session", ValidationSize(8), "8 of the 8 outside the test part"),
        ("random10", ValidationSize(9), "9 of the 9 outside the test part"),
        ("sentence", ValidationSize(12), "12 of the 9 outside the test part"),
    ],
)
def test_so_many_that_none_is_left_to_train_are_refused(corpus, name, validating, text):
    with pytest.raises(SettingsError, match=text) as caught:
        PROTOCOLS[name].folds(corpus(10, takes=10), 0, validating)
    assert caught.value.hint == "Lower --validation, or 'validation_fraction' in the recipe."


@pytest.mark.parametrize("validating", [ValidationSize(4), ValidationSize(fraction=0.9)], ids=str)
def test_holdout_leaves_somebody_to_train(corpus, validating):
    with pytest.raises(SettingsError, match="4 of the 4 outside the test part"):
        holdout(corpus(4), 0, validating)


def test_holdout_of_one_speaker_is_an_error(corpus):
    with pytest.raises(CorpusError, match="needs at least 2 speakers; this corpus has 1") as caught:
        holdout(corpus(1), 0)
    assert caught.value.hint == "Add recordings of other speakers."


def test_holdout_knows_no_other_protocol(corpus):
    with pytest.raises(CorpusError, match="8 of 8 utterances have none") as caught:
        holdout([replace(each, speaker=None) for each in corpus(4)], 0)
    assert caught.value.hint == "Leave them out, or add a column 'speaker' to the manifest."


@pytest.mark.parametrize(
    ("name", "attribute"),
    [
        ("loso", "speaker"),
        ("paper", "speaker"),
        ("session", "session"),
        ("session", "speaker"),
        ("sentence", "text_id"),
    ],
)
def test_what_is_unknown_is_counted(corpus, name, attribute):
    utterances = corpus(6, takes=4)
    utterances[3:5] = [replace(each, **{attribute: None}) for each in utterances[3:5]]
    with pytest.raises(CorpusError, match=rf"2 of 48 utterances have none, first {utterances[3].path}") as caught:
        PROTOCOLS[name].folds(utterances, 0)
    assert f"'{attribute}'" in caught.value.hint


def test_a_class_that_only_one_part_has_is_an_error(corpus):
    by_speaker = [*corpus(4), Utterance(Path("c.wav"), "c", "s02")]
    by_text = [*corpus(4, takes=3), *(Utterance(Path(f"c{n}.wav"), "c", f"s0{n}", None, "t01") for n in range(3))]
    with pytest.raises(CorpusError, match="no c in the training part"):
        PROTOCOLS["loso"].folds(by_speaker, 0)
    with pytest.raises(CorpusError, match="no c in the training part"):
        PROTOCOLS["sentence"].folds(by_text, 0)


def test_a_file_with_two_speakers_is_refused(corpus):
    utterances = [*corpus(4), *(Utterance(Path("call.wav"), "a", speaker) for speaker in ("s00", "s01"))]
    with pytest.raises(CorpusError, match=r"share 1 file\(s\)"):
        PROTOCOLS["loso"].folds(utterances, 0)


def test_a_number_where_there_is_no_choice_is_refused(corpus):
    with pytest.raises(SettingsError, match="cannot validate on 2 parts") as caught:
        PROTOCOLS["paper"].folds(corpus(6), 0, ValidationSize(2))
    assert "its test part" in caught.value.hint


@pytest.mark.parametrize("name", PROTOCOLS)
def test_a_share_of_those_that_do_not_test_validates(corpus, name):
    protocol, utterances = PROTOCOLS[name], corpus(10, takes=10)
    whose = {"texts": "text_id", "speakers": "speaker"}.get(protocol.unit)
    for fold in protocol.folds(utterances, 0, ValidationSize(fraction=0.3)):
        if whose is None:
            share = len(fold.validation) / (len(utterances) - len(fold.test))
            assert share == pytest.approx(1 / 3 if name == "random10" else 1 / 9, abs=0.05)
            continue
        validating = values(utterances, fold.validation, whose)
        others = len({getattr(each, whose) for each in utterances} - values(utterances, fold.test, whose))
        assert len(validating) == max(1, round(0.3 * others))


def test_an_unknown_protocol_is_refused():
    assert find_protocol("loso") is PROTOCOLS["loso"]
    with pytest.raises(SettingsError, match="lotto") as caught:
        find_protocol("lotto")
    assert "random10" in caught.value.hint


@pytest.mark.skipif(not REAL.is_dir(), reason="EMO-DB is not here")
@pytest.mark.parametrize(
    ("name", "shared"),
    [
        ("loso", SharedCounts(files=0, speakers=0, sessions=None, texts=10)),
        ("random10", SharedCounts(files=0, speakers=10, sessions=None, texts=10)),
        ("sentence", SharedCounts(files=0, speakers=10, sessions=None, texts=0)),
    ],
)
def test_the_real_corpus(name, shared):
    utterances = EmoDB(REAL).utterances()
    folds = PROTOCOLS[name].folds(utterances, 0)
    assert len(folds) == 10
    counts = [overlap(fold, utterances).test for fold in folds]
    assert max(counts, key=lambda each: (each.speakers or 0, each.texts or 0)) == shared
