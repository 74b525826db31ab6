"""Folds whose parts have no speaker in common."""

from __future__ import annotations

import random
from collections.abc import Sequence

from pcqtool.corpora.base import Utterance
from pcqtool.errors import CorpusError
from pcqtool.splits.fold import Fold, check, make_fold
from pcqtool.splits.groups import known, take_turns
from pcqtool.splits.validation_size import ONE, ValidationSize


def loso(utterances: Sequence[Utterance], seed: int, validating: ValidationSize = ONE) -> list[Fold]:
    """Leave one speaker out: one fold for each speaker, tested on that speaker and validated on others.

    The seed sets the order in which speakers validate; each does so equally often.

    Raises:
        CorpusError: if speakers are unknown or too few.
        SettingsError: if so many validate that none is left to train.
    """
    speakers = known(utterances, "speakers", 3, "leave-one-speaker-out")
    return take_turns(utterances, speakers, _shuffled(speakers, seed), validating)


def session(utterances: Sequence[Utterance], seed: int, validating: ValidationSize = ONE) -> list[Fold]:
    """Leave one session out: tested on all speakers of that session, validated on speakers of other sessions.

    Raises:
        CorpusError: if sessions or speakers are unknown or too few.
        SettingsError: if so many validate that none is left to train.
    """
    purpose = "leave-one-session-out"
    sessions = known(utterances, "sessions", 2, purpose)
    speakers = known(utterances, "speakers", 3, purpose)
    rng = random.Random(seed)  # noqa: S311
    folds = []
    for name in sorted(set(sessions)):
        tested = {speaker for speaker, place in zip(speakers, sessions, strict=True) if place == name}
        others = sorted(set(speakers) - tested)
        if len(others) < 2:
            raise CorpusError(f"{purpose}: outside session {name} there are fewer than 2 speakers")
        validation = rng.sample(others, validating.leaving_some(len(others)))
        parts = [
            "test" if place == name else "validation" if speaker in validation else "train"
            for speaker, place in zip(speakers, sessions, strict=True)
        ]
        folds.append(make_fold(utterances, name, parts, {"validation"}, {"test"}))
    return folds


def paper(utterances: Sequence[Utterance], seed: int, validating: ValidationSize = ONE) -> list[Fold]:
    """Leave one speaker out and validate on that very speaker, as CA-MSER's code does; the seed changes nothing.

    Raises:
        CorpusError: if speakers are unknown or fewer than two.
    """
    speakers = known(utterances, "speakers", 2, "leave-one-speaker-out")
    return [make_fold(utterances, name, speakers, [name], [name]) for name in sorted(set(speakers))]


def holdout(
    utterances: Sequence[Utterance], seed: int, validating: ValidationSize = ONE, corpora: Sequence[str] | None = None
) -> Fold:
    """Keep the utterances of some speakers for validation and train on all others; nothing is left for a test.

    Args:
        utterances: the corpus's list, or that of several corpora.
        seed: of the choice.
        validating: how many speakers validate; of several corpora so many of each, unless it has no more than that.
        corpora: which corpus each utterance is of; None if all are of one.

    Raises:
        CorpusError: if speakers are unknown or too few, or the training part lacks a class.
        SettingsError: if so many validate that none is left to train.
    """
    speakers = known(utterances, "speakers", 2, "a speaker-disjoint validation", is_protocol=False)
    of_corpora: dict[str, set[str]] = {}
    for speaker, corpus in zip(speakers, corpora or [""] * len(speakers), strict=True):
        of_corpora.setdefault(corpus, set()).add(speaker)
    groups = [some for some in of_corpora.values() if len(some) > validating.of(len(some))] or [set(speakers)]
    rng = random.Random(seed)  # noqa: S311
    chosen = [speaker for some in groups for speaker in rng.sample(sorted(some), validating.leaving_some(len(some)))]
    fold = make_fold(utterances, "holdout", speakers, chosen, ())
    check(fold, utterances)
    return fold


def _shuffled(names: Sequence[str], seed: int) -> list[str]:
    return random.Random(seed).sample(sorted(set(names)), len(set(names)))  # noqa: S311
