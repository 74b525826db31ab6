"""The groups that a protocol keeps together, and folds that take turns over them."""

from __future__ import annotations

from collections.abc import Sequence

from pcqtool.corpora.base import Utterance
from pcqtool.errors import CorpusError
from pcqtool.splits.fold import GROUPS, Fold, make_fold
from pcqtool.splits.validation_size import ValidationSize

_COLUMNS = {"speakers": "speaker", "sessions": "session", "texts": "text_id"}


def known(
    utterances: Sequence[Utterance], group: str, at_least: int, purpose: str, is_protocol: bool = True
) -> list[str]:
    """Give each utterance's speaker (session, text).

    Args:
        utterances: the corpus's list.
        group: one of ``GROUPS``.
        at_least: how many there must be.
        purpose: what they are needed for.
        is_protocol: whether that is a protocol, so that users may choose another.

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


def take_turns(
    utterances: Sequence[Utterance], parts: Sequence[str], order: Sequence[str], validating: ValidationSize
) -> list[Fold]:
    """Make a fold for each part, which tests; the next ones of the order, which goes round, validate.

    So each part validates as often as any other.

    Args:
        utterances: the corpus's list.
        parts: which part each utterance is in.
        order: all parts.
        validating: how many of the others validate.

    Raises:
        SettingsError: if none of the others is left to train.
    """
    n_validation = validating.leaving_some(len(order) - 1)
    ring = [*order, *order]
    places = {name: place for place, name in enumerate(order)}
    return [
        make_fold(utterances, name, parts, ring[places[name] + 1 : places[name] + 1 + n_validation], [name])
        for name in sorted(order)
    ]
