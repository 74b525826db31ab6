from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcqtool.corpora.base import Utterance
from pcqtool.corpora.emodb import EmoDB
from pcqtool.errors import CorpusError
from pcqtool.training.splits import PROTOCOLS, Fold, Overlap, Shared, check, holdout, loso, overlap

REAL = Path(os.environ.get("PCQTOOL_CORPORA", Path(__file__).parents[2].parent / "shared" / "corpora")) / "emodb"


def corpus(n_speakers: int, labels: str = "ab", takes: int = 1) -> list[Utterance]:
    """Every speaker says every label as often; take and label are the text, two speakers make a session."""
    return [
        Utterance(Path(f"{speaker}{label}{take}.wav"), label, f"s{speaker}", f"p{speaker // 2}", f"{label}{take}")
        for take in range(takes)
        for speaker in range(n_speakers)
        for label in labels
    ]


def speakers(utterances: list[Utterance], part: tuple[int, ...]) -> set[str | None]:
    return {utterances[index].speaker for index in part}


@given(n_speakers=st.integers(3, 12), takes=st.integers(1, 3), seed=st.integers(0, 2**32))
def test_loso_tests_and_validates_every_speaker_once_and_never_mixes_them(n_speakers, takes, seed):
    utterances = corpus(n_speakers, takes=takes)
    folds = loso(utterances, seed)
    assert [fold.name for fold in folds] == sorted({u.speaker for u in utterances})
    tested, validated = Counter(), Counter()
    for fold in folds:
        assert sorted(fold.train + fold.validation + fold.test) == list(range(len(utterances)))
        assert speakers(utterances, fold.test) == {fold.name}
        assert len(speakers(utterances, fold.validation)) == 1
        assert not speakers(utterances, fold.train) & speakers(utterances, fold.validation + fold.test)
        tested.update(fold.test)
        validated.update(fold.validation)
    assert set(tested.values()) == set(validated.values()) == {1}


def test_the_seed_decides_and_the_order_of_folds_does_not_change():
    utterances = corpus(10)
    assert loso(utterances, 1) == loso(utterances, 1)
    assert loso(utterances, 1) != loso(utterances, 2)
    assert [fold.test for fold in loso(utterances, 1)] == [fold.test for fold in loso(utterances, 2)]


@given(n_speakers=st.integers(2, 10), data=st.data())
def test_holdout_keeps_whole_speakers_for_validation(n_speakers, data):
    kept, seed = data.draw(st.integers(1, n_speakers - 1)), data.draw(st.integers(0, 99))
    utterances = corpus(n_speakers, takes=2)
    fold = holdout(utterances, seed, kept)
    assert fold.test == ()
    assert sorted(fold.train + fold.validation) == list(range(len(utterances)))
    assert len(speakers(utterances, fold.validation)) == kept
    assert not speakers(utterances, fold.train) & speakers(utterances, fold.validation)


@pytest.mark.parametrize(("n_speakers", "split"), [(1, loso), (2, loso), (1, holdout)])
def test_too_few_speakers_is_an_error(n_speakers, split):
    with pytest.raises(CorpusError, match=f"needs at least .* this corpus has {n_speakers}"):
        split(corpus(n_speakers), 0)


def test_unknown_speakers_are_counted():
    utterances = [*corpus(4), Utterance(Path("x.wav"), "a"), Utterance(Path("y.wav"), "a")]
    with pytest.raises(CorpusError, match=r"2 of 10 utterances have none, first x\.wav"):
        loso(utterances, 0)
    with pytest.raises(CorpusError, match="2 of 10 utterances"):
        holdout(utterances, 0)


def test_a_class_that_only_the_test_speaker_has_is_an_error():
    utterances = [*corpus(4), Utterance(Path("c.wav"), "c", "s2")]
    with pytest.raises(CorpusError, match="no c in the training part"):
        loso(utterances, 0)


def test_a_file_with_two_speakers_is_refused():
    utterances = [*corpus(4), Utterance(Path("call.wav"), "a", "s0"), Utterance(Path("call.wav"), "a", "s1")]
    with pytest.raises(CorpusError, match=r"share 1 file\(s\)"):
        loso(utterances, 0)


def test_overlap_counts_what_parts_have_in_common():
    utterances = corpus(4)  # s0 and s1 are session p0; everybody says the texts a0 and b0
    fold = Fold("x", train=(0, 1, 2), validation=(3,), test=(4, 5))
    assert overlap(fold, utterances) == Overlap(test=Shared(0, 0, 0, 2), validation=Shared(0, 1, 1, 1))
    leak = Fold("x", train=(0, 1), validation=(4, 5), test=(4, 5))
    assert overlap(leak, utterances).test == Shared(2, 1, 1, 2)


def test_overlap_of_what_is_unknown_is_none_and_of_nothing_is_zero():
    unknown = [Utterance(Path(f"{index}.wav"), "a") for index in range(2)]
    assert overlap(Fold("x", (0,), (1,), ()), unknown) == Overlap(
        test=Shared(0, 0, 0, 0), validation=Shared(0, None, None, None)
    )


def test_some_unknown_texts_do_not_count_as_one_text():
    utterances = [Utterance(Path(f"{i}.wav"), "a", text_id=text) for i, text in enumerate(("t", None, "t", None))]
    assert overlap(Fold("x", (0, 1), (), (2, 3)), utterances).test.texts == 1


def test_check_refuses_shared_speakers_unless_the_protocol_shares_them():
    utterances = corpus(3, takes=2)
    fold = Fold("x", train=tuple(range(6)), validation=(6, 7), test=(8, 9))
    with pytest.raises(CorpusError, match="the test part and the others share 1 speaker"):
        check(fold, utterances)
    check(fold, utterances, speaker_disjoint=False)
    with pytest.raises(CorpusError, match="the validation and training parts share 1 speaker"):
        check(Fold("x", tuple(range(6)), (6, 7), ()), utterances)


def test_check_refuses_shared_files_in_any_protocol():
    utterances = corpus(3)
    for fold in (Fold("x", (0, 1), (2,), (1,)), Fold("x", (0, 1), (2,), (2,)), Fold("x", (0, 1), (1,), ())):
        with pytest.raises(CorpusError, match=r"share 1 file\(s\)"):
            check(fold, utterances, speaker_disjoint=False)


@pytest.mark.skipif(not REAL.is_dir(), reason="EMO-DB is not here")
def test_the_real_corpus_shares_its_texts_and_nothing_else():
    utterances = EmoDB(REAL).utterances()
    folds = PROTOCOLS["loso"](utterances, 0)
    assert len(folds) == 10
    for fold in folds:
        assert overlap(fold, utterances).test == Shared(files=0, speakers=0, sessions=None, texts=10)
