from __future__ import annotations

from pathlib import Path

import pytest

from pcqtool.corpora.base import Utterance
from pcqtool.errors import CorpusError
from pcqtool.splits import Disjointness, Fold, Overlap, SharedCounts, check_fold, overlap

FILES = Disjointness(("files",), ("files",))


def test_overlap_counts_what_parts_have_in_common(corpus):
    utterances = corpus(4)  # s0 and s1 are session p0; everybody says the text t00
    fold = Fold("x", train=(0, 1, 2), validation=(3,), test=(4, 5))
    assert overlap(fold, utterances) == Overlap(test=SharedCounts(0, 0, 0, 1), validation=SharedCounts(0, 1, 1, 1))
    leak = Fold("x", train=(0, 1), validation=(4, 5), test=(4, 5))
    assert overlap(leak, utterances).test == SharedCounts(2, 1, 1, 1)


def test_overlap_of_what_is_unknown_is_none_and_of_nothing_is_zero():
    unknown = [Utterance(Path(f"{index}.wav"), "a") for index in range(2)]
    assert overlap(Fold("x", (0,), (1,), ()), unknown) == Overlap(
        test=SharedCounts(0, 0, 0, 0), validation=SharedCounts(0, None, None, None)
    )


def test_some_unknown_texts_do_not_count_as_one_text():
    utterances = [Utterance(Path(f"{i}.wav"), "a", text_id=text) for i, text in enumerate(("t", None, "t", None))]
    assert overlap(Fold("x", (0, 1), (), (2, 3)), utterances).test.texts == 1


def test_check_refuses_shared_speakers_unless_the_protocol_shares_them(corpus):
    utterances = corpus(3, takes=2)
    fold = Fold("x", train=tuple(range(6)), validation=(6, 7), test=(8, 9))
    with pytest.raises(CorpusError, match="the test part and the others share 1 speaker"):
        check_fold(fold, utterances)
    check_fold(fold, utterances, FILES)
    with pytest.raises(CorpusError, match="the validation and training parts share 1 speaker"):
        check_fold(Fold("x", tuple(range(6)), (6, 7), ()), utterances)


@pytest.mark.parametrize("group", ["sessions", "texts"])
def test_check_refuses_whatever_else_was_promised(corpus, group):
    utterances = corpus(4)
    fold = Fold("x", train=(0, 1), validation=(4, 5), test=(2, 3))  # s0 and s1 are one session
    check_fold(fold, utterances)
    with pytest.raises(CorpusError, match=f"the test part and the others share 1 {group[:-1]}"):
        check_fold(fold, utterances, Disjointness(test=(group,)))


def test_check_refuses_shared_files_in_any_protocol(corpus):
    utterances = corpus(3)
    for fold in (Fold("x", (0, 1), (2,), (1,)), Fold("x", (0, 1), (2,), (2,)), Fold("x", (0, 1), (1,), ())):
        with pytest.raises(CorpusError, match=r"share 1 file\(s\)"):
            check_fold(fold, utterances, FILES)


def test_check_refuses_a_fold_without_validation(corpus):
    with pytest.raises(CorpusError, match="nothing to validate on"):
        check_fold(Fold("x", (0, 1), (), (2, 3)), corpus(2))
