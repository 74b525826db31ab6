"""The registry of corpora: built-in ones and those of plugins, all found through entry points."""

from __future__ import annotations

from pathlib import Path

from pcqtool.corpora.base import Corpus, Utterance
from pcqtool.corpora.conformance import utterance_problems
from pcqtool.corpora.roots import find_root
from pcqtool.errors import CorpusError, PcqtoolError, TerminatedError
from pcqtool.plugins.isolation import one_line, stdout_to_stderr
from pcqtool.plugins.registry import Registration, Registry

CorpusRegistration = Registration[Corpus]

CORPORA: Registry[Corpus] = Registry(
    "pcqtool.corpora", "corpus", "pcqtool.corpora.conformance:first_class_problem", CorpusError
)
_REMEDY = "Repair its plugin, or the tables that the plugin reads."


def registered_corpora() -> list[CorpusRegistration]:
    """List all registered corpora by name; a broken plugin has an ``error`` and never raises an exception."""
    return CORPORA.registrations()


def names() -> list[str]:
    """List the names of all registered corpora without loading their classes."""
    return CORPORA.names()


def corpus_class(name: str) -> type[Corpus]:
    """Load the class of one corpus and no other plugin.

    Raises:
        CorpusError: if no corpus has this name (the hint lists all names), or its plugin is broken.
    """
    return CORPORA.load(name)


def open_corpus(name: str, root: str | Path | None = None) -> Corpus:
    """Open a corpus at ``root`` or, without one, at ``$PCQTOOL_CORPORA/NAME``.

    Raises:
        CorpusError: if the corpus is unknown or broken, or its root does not exist.
    """
    corpus = corpus_class(name)
    path = find_root(corpus, root)
    try:
        with stdout_to_stderr():
            return corpus(path)
    except (PcqtoolError, KeyboardInterrupt, TerminatedError):
        raise
    except BaseException as error:  # a plugin's fault must not look like the tool's
        raise CorpusError(f"corpus {name!r} cannot open {path}: {one_line(error)}") from error


def list_utterances(corpus: Corpus) -> list[Utterance]:
    """List a corpus's utterances; any exception of the plugin becomes a ``CorpusError``.

    Raises:
        CorpusError: if the corpus raises it, its class fails, or it lists anything but valid utterances.
    """
    try:
        with stdout_to_stderr():
            utterances = list(corpus.utterances())
    except (PcqtoolError, KeyboardInterrupt, TerminatedError):
        raise
    except BaseException as error:  # a plugin's fault must not look like the tool's
        raise CorpusError(f"corpus {corpus.name!r} cannot be listed: {one_line(error)}", _REMEDY) from error
    for each in utterances:
        if not isinstance(each, Utterance):
            what = f"{type(corpus).__name__} lists {str(each)[:80]!r}, which is not an Utterance"
            raise CorpusError(f"corpus {corpus.name!r}: {what}", _REMEDY)
        for _, problem in utterance_problems(each):
            raise CorpusError(f"corpus {corpus.name!r}: {each.path}: {problem}", _REMEDY)
    return utterances
