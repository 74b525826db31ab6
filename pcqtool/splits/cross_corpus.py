"""Train on some corpora, test on another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pcqtool.corpora.base import Utterance
from pcqtool.corpora.pool import CorpusPool
from pcqtool.splits.fold import Fold
from pcqtool.splits.protocols import Protocol
from pcqtool.splits.speakers import holdout
from pcqtool.splits.validation_size import ValidationSize


def cross_corpus_protocol(train: CorpusPool, test: CorpusPool) -> Protocol:
    """Make the protocol of one fold: everything of ``test`` tests, and speakers of ``train`` alone validate.

    Its folds index into the utterances of ``train`` followed by those of ``test``, which must bear their corpora's
    names (``CorpusPool.prefixed_utterances``), since 03 of one is not 03 of the other.

    Args:
        train: the corpora to learn from.
        test: the one to test on, with the same labels.
    """

    def split(utterances: Sequence[Utterance], seed: int, validating: ValidationSize) -> list[Fold]:
        n_heard = len(train.corpus_of_each)
        fold = holdout(utterances[:n_heard], seed, validating, train.corpus_of_each)
        return [replace(fold, name=test.name, test=tuple(range(n_heard, len(utterances))))]

    title = f"train {train.name}, test {test.name}, {len(test.labels)} shared labels"
    note = "Speakers, sessions and texts of two corpora are taken for different ones."
    return Protocol("cross-corpus", title, split, note=note)
