"""The protocols of an evaluation: how a corpus is divided, and which parts must have nothing in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from pcqtool.corpora.base import Utterance
from pcqtool.corpora.pool import CorpusPool
from pcqtool.errors import CorpusError, SettingsError
from pcqtool.labels import sort_labels
from pcqtool.splits.fold import NEW_SPEAKERS, Disjointness, Fold, check_fold
from pcqtool.splits.splitters import holdout, loso, paper, random10, sentence, session
from pcqtool.splits.validation_size import ONE_UNIT, ValidationSize

Splitter = Callable[[Sequence[Utterance], int, ValidationSize], list[Fold]]


@dataclass(frozen=True)
class Protocol:
    """A protocol of cross-validation.

    Attributes:
        name: its name on the command line.
        title: its description in a few words.
        splitter: makes the folds, given utterances, a seed and the size of the validation part.
        unit: validating unit, in the plural; empty if the validation part is fixed.
        disjointness: what the parts never have in common; every fold is checked for it.
        leakage: reason why its figures are wrong, for a protocol that demonstrates a leak.
        note: a sentence on the parts that a reader of the figures must know.
    """

    name: str
    title: str
    splitter: Splitter
    unit: str = "speakers"
    disjointness: Disjointness = NEW_SPEAKERS
    leakage: str = ""
    note: str = ""

    def folds(self, utterances: Sequence[Utterance], seed: int, validation: ValidationSize = ONE_UNIT) -> list[Fold]:
        """Divide a corpus.

        Args:
            utterances: the corpus's list.
            seed: seed of random choices.
            validation: how many of ``unit`` validate.

        Raises:
            SettingsError: if a number is given and the validation part is fixed, or if no unit would be left to train.
            CorpusError: if the corpus cannot be divided like this, or a fold is not disjoint or cannot be trained on.
        """
        if validation.n_units > 1 and not self.unit:
            raise SettingsError(
                f"protocol {self.name} cannot validate on {validation.n_units} parts", "It validates on its test part."
            )
        folds = self.splitter(utterances, seed, validation)
        for fold in folds:
            check_fold(fold, utterances, self.disjointness)
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
            "session", "leave one session out, validation on speakers of other sessions", session, "speakers", _SESSIONS
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


CORPUS = "corpus"
"""Name of ``leave_corpus_out``, which depends on the corpora."""

PROTOCOL_NAMES = (CORPUS, *PROTOCOLS)


def find_protocol(name: str) -> Protocol:
    """Return a protocol of one corpus by its name.

    Raises:
        SettingsError: if it does not exist.
    """
    if name not in PROTOCOLS:
        raise SettingsError(
            f"unknown protocol {name!r}", f"Known: {', '.join(PROTOCOLS)}; for several corpora, {CORPUS}."
        )
    return PROTOCOLS[name]


def cross_corpus_protocol(train: CorpusPool, test: CorpusPool) -> Protocol:
    """Return the protocol of one fold that tests on all of ``test`` and validates on speakers of ``train``.

    Its folds index into the utterances of ``train`` followed by those of ``test``. Names of speakers must be prefixed
    (``CorpusPool.prefixed_utterances``), since speaker 03 of one corpus is not speaker 03 of the other.

    Args:
        train: the corpora to train on.
        test: the corpus to test on, with the same labels.
    """

    def split(utterances: Sequence[Utterance], seed: int, validation: ValidationSize) -> list[Fold]:
        n_train = len(train.corpus_of_each)
        fold = holdout(utterances[:n_train], seed, validation, train.corpus_of_each)
        return [replace(fold, name=test.name, test=tuple(range(n_train, len(utterances))))]

    title = f"train {train.name}, test {test.name}, {len(test.labels)} shared labels"
    return Protocol("cross-corpus", title, split, note=f"{_stamp(train.names, test.name)} {_DIFFERENT}")


def leave_corpus_out(pool: CorpusPool) -> Protocol:
    """Return the protocol that tests on each corpus a model of the others, on speakers of which it validates.

    An utterance whose label no other corpus has is in no part of its corpus's fold. Names of speakers must be prefixed,
    as in the utterances of a pool.

    Args:
        pool: two or more corpora.

    Raises:
        SettingsError: if there is only one.
    """
    if len(pool.members) < 2:
        raise SettingsError("protocol corpus needs two or more corpora", "Give --corpus for each of them.")

    def split(utterances: Sequence[Utterance], seed: int, validation: ValidationSize) -> list[Fold]:
        return [_without(name, utterances, pool.corpus_of_each, seed, validation) for name in pool.names]

    title = "leave one corpus out, validation on speakers of the others"
    stamps = [_stamp([other for other in pool.names if other != name], name) for name in pool.names]
    return Protocol(CORPUS, title, split, note=f"{' '.join(stamps)} {_DIFFERENT}")


def only_parts_of(corpus: str, protocol: Protocol, pool: CorpusPool) -> Protocol:
    """Return a protocol whose folds test on parts of one corpus; they all train on the other corpora of the pool.

    Args:
        corpus: name of the tested corpus.
        protocol: divides the pool.
        pool: the corpora.

    Raises:
        SettingsError: if the corpus is not among several.
    """
    if corpus not in pool.names or len(pool.members) < 2:
        raise SettingsError(
            f"--test-corpus {corpus}: with --protocol, it is one of several corpora", "Add --corpus for each of them."
        )

    def split(utterances: Sequence[Utterance], seed: int, validation: ValidationSize) -> list[Fold]:
        owner = pool.corpus_of_each
        folds = protocol.splitter(utterances, seed, validation)
        parts = (replace(fold, test=tuple(i for i in fold.test if owner[i] == corpus)) for fold in folds)
        return [fold for fold in parts if fold.test]

    others = ", ".join(name for name in pool.names if name != corpus)
    title = f"{protocol.title}, of {corpus} only; trained also on {others}"
    return replace(protocol, title=title, splitter=split)


def _stamp(train: Sequence[str], test: str) -> str:
    return f"Trained on {', '.join(train)}; the test corpus {test} was left out."


_DIFFERENT = "Speakers, sessions and texts of two corpora are treated as different."


def _without(
    name: str, utterances: Sequence[Utterance], corpora: Sequence[str], seed: int, validation: ValidationSize
) -> Fold:
    """Return the fold that tests on a corpus."""
    others = [index for index, corpus in enumerate(corpora) if corpus != name]
    known = {utterances[index].label for index in others}
    own = [index for index, corpus in enumerate(corpora) if corpus == name]
    test = [index for index in own if utterances[index].label in known]
    if len({utterances[index].label for index in test}) < 2:
        raise CorpusError(
            f"corpus {name} shares fewer than two labels with the others: it has "
            f"{', '.join(sort_labels(utterances[index].label for index in own))}",
            "Equate some labels in a file for --map, or leave the corpus out.",
        )
    fold = holdout([utterances[index] for index in others], seed, validation, [corpora[index] for index in others])
    train, validating = (tuple(others[index] for index in part) for part in (fold.train, fold.validation))
    return Fold(name, train, validating, tuple(test))
