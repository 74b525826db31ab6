"""The protocols of an evaluation: how a corpus is divided, and what the division promises."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pcqtool.corpora.base import Utterance
from pcqtool.errors import SettingsError
from pcqtool.splits.fold import NEW_SPEAKERS, Disjointness, Fold, check
from pcqtool.splits.speakers import loso, paper, session
from pcqtool.splits.stratified import random10, sentence
from pcqtool.splits.validation_size import ONE, ValidationSize

Split = Callable[[Sequence[Utterance], int, ValidationSize], list[Fold]]


@dataclass(frozen=True)
class Protocol:
    """A way to cross-validate.

    Attributes:
        name: what users call it.
        title: what it does, in a few words.
        split: makes the folds of a list of utterances, a seed and how many units validate.
        unit: what validates, in the plural; empty if there is no choice.
        promise: what the parts never have in common; every fold is checked for it.
        leak: what makes its figures wrong, for a protocol that exists to show just that.
        note: what else has to be known of what its parts share, a sentence.
    """

    name: str
    title: str
    split: Split
    unit: str = "speakers"
    promise: Disjointness = NEW_SPEAKERS
    leak: str = ""
    note: str = ""

    def folds(self, utterances: Sequence[Utterance], seed: int, validating: ValidationSize = ONE) -> list[Fold]:
        """Divide a corpus.

        Args:
            utterances: the corpus's list.
            seed: of what is drawn.
            validating: how many of ``unit`` validate.

        Raises:
            SettingsError: if a number is asked for, and there is no choice; if so many validate that none trains.
            CorpusError: if the corpus cannot be divided so, or a fold would break the promise or cannot be trained on.
        """
        if validating.number > 1 and not self.unit:
            raise SettingsError(
                f"protocol {self.name} cannot validate on {validating.number} parts", "It validates on its test part."
            )
        folds = self.split(utterances, seed, validating)
        for fold in folds:
            check(fold, utterances, self.promise)
        return folds


_FILES = Disjointness(test=("files",), validation=("files",))
_TEXTS = Disjointness(test=("files", "texts"), validation=("files", "texts"))
_SESSIONS = Disjointness(test=("files", "speakers", "sessions"))
_TRAINING_ONLY = Disjointness(test=())

PROTOCOLS: dict[str, Protocol] = {
    protocol.name: protocol
    for protocol in (
        Protocol("loso", "leave one speaker out, validation on other speakers", loso),
        Protocol(
            "session", "leave one session out, validation on speakers of other sessions", session, promise=_SESSIONS
        ),
        Protocol("random10", "10 stratified folds, validation on other folds", random10, "tenths", _FILES),
        Protocol("sentence", "leave a text out, validation on other texts", sentence, "texts", _TEXTS),
        Protocol(
            "paper",
            "leave one speaker out, validation on the test speaker, as CA-MSER does",
            paper,
            "",
            _TRAINING_ONLY,
            "the test part is also the validation part, so that epoch and temperature were chosen on it",
        ),
    )
}


def find_protocol(name: str) -> Protocol:
    """Give a protocol by its name.

    Raises:
        SettingsError: if there is none.
    """
    if name not in PROTOCOLS:
        raise SettingsError(f"unknown protocol {name!r}", f"Known: {', '.join(PROTOCOLS)}.")
    return PROTOCOLS[name]
