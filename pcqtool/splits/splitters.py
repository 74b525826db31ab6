"""The splitters behind the protocols: each divides a list of utterances into folds.

``loso``, ``session``, ``paper`` and ``holdout`` keep speakers apart. ``random10`` and ``sentence`` share them.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

from pcqtool.corpora.base import Utterance
from pcqtool.errors import CorpusError
from pcqtool.splits.fold import GROUPS, Fold, check_fold, make_fold
from pcqtool.splits.validation_size import ONE_UNIT, ValidationSize

N_FOLDS = 10

_COLUMNS = {"speakers": "speaker", "sessions": "session", "texts": "text_id"}


def loso(utterances: Sequence[Utterance], seed: int, validation: ValidationSize = ONE_UNIT) -> list[Fold]:
    """Leave one speaker out: one fold for each speaker, who tests; other speakers validate.

    The seed sets the order in which speakers validate; each does so equally often.

    Raises:
        CorpusError: if speakers are unknown or too few.
        SettingsError: if no speaker would be left to train.
    """
    speakers = _require_groups(utterances, "speakers", 3, "leave-one-speaker-out")
    return _rotate(utterances, speakers, _shuffled(speakers, seed), validation)


def session(utterances: Sequence[Utterance], seed: int, validation: ValidationSize = ONE_UNIT) -> list[Fold]:
    """Leave one session out: all its speakers test; speakers of other sessions validate.

    Raises:
        CorpusError: if sessions or speakers are unknown or too few.
        SettingsError: if no speaker would be left to train.
    """
    purpose = "leave-one-session-out"
    sessions = _require_groups(utterances, "sessions", 2, purpose)
    speakers = _require_groups(utterances, "speakers", 3, purpose)
    rng = random.Random(seed)  # noqa: S311
    folds = []
    for name in sorted(set(sessions)):
        tested = {speaker for speaker, own in zip(speakers, sessions, strict=True) if own == name}
        others = sorted(set(speakers) - tested)
        if len(others) < 2:
            raise CorpusError(f"{purpose}: outside session {name} there are fewer than 2 speakers")
        validating = rng.sample(others, validation.checked_count(len(others)))
        parts = [
            "test" if own == name else "validation" if speaker in validating else "train"
            for speaker, own in zip(speakers, sessions, strict=True)
        ]
        folds.append(make_fold(utterances, name, parts, {"validation"}, {"test"}))
    return folds


def paper(utterances: Sequence[Utterance], seed: int, validation: ValidationSize = ONE_UNIT) -> list[Fold]:
    """Leave one speaker out and validate on the same speaker, as CA-MSER's code does; the seed has no effect.

    Raises:
        CorpusError: if speakers are unknown or fewer than two.
    """
    speakers = _require_groups(utterances, "speakers", 2, "leave-one-speaker-out")
    return [make_fold(utterances, name, speakers, [name], [name]) for name in sorted(set(speakers))]


def random10(utterances: Sequence[Utterance], seed: int, validation: ValidationSize = ONE_UNIT) -> list[Fold]:
    """Divide the files into ten stratified parts: each part tests once, and the next parts validate.

    Raises:
        CorpusError: if a class has too few files for ten parts.
        SettingsError: if no part would be left to train.
    """
    files = {(each.path, each.label) for each in utterances}
    rare = {label: n for label, n in Counter(label for _, label in files).items() if n < N_FOLDS}
    if rare:
        raise CorpusError(
            f"{N_FOLDS} stratified folds need {N_FOLDS} files of each class; there are "
            + ", ".join(f"{n} of {label}" for label, n in sorted(rare.items())),
            "Leave the class out, or choose another --protocol.",
        )
    parts = _stratified_parts(utterances, [str(each.path) for each in utterances], seed)
    return _rotate(utterances, parts, sorted(set(parts)), validation)


def sentence(utterances: Sequence[Utterance], seed: int, validation: ValidationSize = ONE_UNIT) -> list[Fold]:
    """Leave texts out: one fold for each text, or ten stratified folds if there are more than ten texts.

    The next texts in an order that the seed sets validate.

    Raises:
        CorpusError: if texts are unknown or too few.
        SettingsError: if no text would be left to train.
    """
    texts = _require_groups(utterances, "texts", 3, "a sentence-independent protocol")
    if len(set(texts)) > N_FOLDS:
        parts = _stratified_parts(utterances, texts, seed)
        return _rotate(utterances, parts, sorted(set(parts)), validation)
    return _rotate(utterances, texts, _shuffled(texts, seed), validation)


def holdout(
    utterances: Sequence[Utterance],
    seed: int,
    validation: ValidationSize = ONE_UNIT,
    corpora: Sequence[str] | None = None,
) -> Fold:
    """Keep some speakers for validation and train on all others; the test part is empty.

    Args:
        utterances: the list of one corpus or several.
        seed: seed of the choice.
        validation: number of validating speakers; with several corpora, the number for each that has more speakers.
        corpora: corpus of each utterance; None if there is only one.

    Raises:
        CorpusError: if speakers are unknown or too few, or the training part lacks a class.
        SettingsError: if no speaker would be left to train.
    """
    speakers = _require_groups(utterances, "speakers", 2, "a speaker-disjoint validation", is_protocol=False)
    by_corpus: dict[str, set[str]] = {}
    for speaker, corpus in zip(speakers, corpora or [""] * len(speakers), strict=True):
        by_corpus.setdefault(corpus, set()).add(speaker)
    groups = [some for some in by_corpus.values() if len(some) > validation.count(len(some))] or [set(speakers)]
    rng = random.Random(seed)  # noqa: S311
    chosen = [speaker for some in groups for speaker in rng.sample(sorted(some), validation.checked_count(len(some)))]
    fold = make_fold(utterances, "holdout", speakers, chosen, ())
    check_fold(fold, utterances)
    return fold


def _require_groups(
    utterances: Sequence[Utterance], group: str, at_least: int, purpose: str, is_protocol: bool = True
) -> list[str]:
    """Return each utterance's speaker (session, text).

    Args:
        utterances: the corpus's list.
        group: one of ``GROUPS``.
        at_least: required number of different speakers (sessions, texts).
        purpose: what they are required for, for the error.
        is_protocol: whether the purpose is a protocol, so that users may choose another.

    Raises:
        CorpusError: if some are unknown, or there are too few.
    """
    names = [GROUPS[group](each) for each in utterances]
    unknown = [each for each, name in zip(utterances, names, strict=True) if name is None]
    if unknown:
        raise CorpusError(
            f"{purpose} needs to know the {group}; {len(unknown)} of {len(utterances)} utterances "
            f"have none, first {unknown[0].path}",
            f"Leave them out{', choose another --protocol' if is_protocol else ''}, "
            f"or add a column '{_COLUMNS[group]}' to the manifest.",
        )
    if len(set(names)) < at_least:
        raise CorpusError(
            f"{purpose} needs at least {at_least} {group}; this corpus has {len(set(names))}",
            "Choose another --protocol; random10 needs none." if is_protocol else f"Add recordings of other {group}.",
        )
    return [str(name) for name in names]


def _rotate(
    utterances: Sequence[Utterance], parts: Sequence[str], order: Sequence[str], validation: ValidationSize
) -> list[Fold]:
    """Make a fold for each part, which tests; the parts after it in the circular order validate.

    Each part therefore validates equally often.

    Args:
        utterances: the corpus's list.
        parts: part of each utterance.
        order: all parts.
        validation: how many of the other parts validate.
    """
    n_validation = validation.checked_count(len(order) - 1)
    circle = [*order, *order]
    position = {name: index for index, name in enumerate(order)}
    return [
        make_fold(utterances, name, parts, circle[position[name] + 1 : position[name] + 1 + n_validation], [name])
        for name in sorted(order)
    ]


def _shuffled(names: Sequence[str], seed: int) -> list[str]:
    return random.Random(seed).sample(sorted(set(names)), len(set(names)))  # noqa: S311


def _stratified_parts(utterances: Sequence[Utterance], groups: Sequence[str], seed: int) -> list[str]:
    """Assign each utterance to one of ten parts, 01 to 10: groups stay whole, and class fractions are about equal."""
    from sklearn.model_selection import StratifiedGroupKFold

    splitter = StratifiedGroupKFold(N_FOLDS, shuffle=True, random_state=seed)
    labels = [each.label for each in utterances]
    parts = [""] * len(utterances)
    for number, (_, chosen) in enumerate(splitter.split(labels, labels, groups), start=1):
        for index in chosen:
            parts[index] = f"{number:02d}"
    return parts
