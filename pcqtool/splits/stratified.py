"""Folds that share speakers: by chance, or by what is said."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

from pcqtool.corpora.base import Utterance
from pcqtool.errors import CorpusError
from pcqtool.splits.fold import Fold
from pcqtool.splits.groups import known, take_turns
from pcqtool.splits.validation_size import ONE, ValidationSize

N_FOLDS = 10


def random10(utterances: Sequence[Utterance], seed: int, validating: ValidationSize = ONE) -> list[Fold]:
    """Deal the files into ten parts with equal shares of the classes; each tests once, the next ones validate.

    Raises:
        CorpusError: if a class has too few files for ten parts.
        SettingsError: if so many validate that none is left to train.
    """
    files = {(each.path, each.label) for each in utterances}
    rare = {label: n for label, n in Counter(label for _, label in files).items() if n < N_FOLDS}
    if rare:
        raise CorpusError(
            f"{N_FOLDS} stratified folds need {N_FOLDS} files of each class; there are "
            + ", ".join(f"{n} of {label}" for label, n in sorted(rare.items())),
            "Leave the class out, or choose another --protocol.",
        )
    parts = _deal(utterances, [str(each.path) for each in utterances], seed)
    return take_turns(utterances, parts, sorted(set(parts)), validating)


def sentence(utterances: Sequence[Utterance], seed: int, validating: ValidationSize = ONE) -> list[Fold]:
    """Leave texts out: one fold for each text, or ten of several texts with like shares of the classes.

    The next texts in an order that the seed decides validate.

    Raises:
        CorpusError: if texts are unknown or too few.
        SettingsError: if so many validate that none is left to train.
    """
    texts = known(utterances, "texts", 3, "a sentence-independent protocol")
    names = sorted(set(texts))
    if len(names) > N_FOLDS:
        parts = _deal(utterances, texts, seed)
        return take_turns(utterances, parts, sorted(set(parts)), validating)
    return take_turns(utterances, texts, random.Random(seed).sample(names, len(names)), validating)  # noqa: S311


def _deal(utterances: Sequence[Utterance], groups: Sequence[str], seed: int) -> list[str]:
    """Deal groups into ten parts, called 01 to 10, with shares of the classes as equal as they can be."""
    from sklearn.model_selection import StratifiedGroupKFold

    dealer = StratifiedGroupKFold(N_FOLDS, shuffle=True, random_state=seed)
    labels = [each.label for each in utterances]
    parts = [""] * len(utterances)
    for number, (_, chosen) in enumerate(dealer.split(labels, labels, groups), start=1):
        for index in chosen:
            parts[index] = f"{number:02d}"
    return parts
