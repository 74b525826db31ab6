"""The registry of corpora: built-in ones and those of plugins, all found through entry points."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from difflib import get_close_matches
from importlib.metadata import EntryPoint, distributions, entry_points
from pathlib import Path

from pcqtool.corpora.base import Corpus
from pcqtool.corpora.conformance import first_class_problem
from pcqtool.corpora.plugin_isolation import load_problems, one_line, stdout_to_stderr
from pcqtool.corpora.roots import find_root
from pcqtool.errors import CorpusError, PcqtoolError, TerminatedError

GROUP = "pcqtool.corpora"
BUILT_IN = "pcqtool"


@dataclass(frozen=True)
class CorpusRegistration:
    """A registered corpus: its class, or the ``error`` that makes it unusable."""

    name: str
    value: str
    distribution: str
    version: str
    corpus: type[Corpus] | None = None
    error: str | None = None

    @property
    def built_in(self) -> bool:
        """Whether it belongs to pcqtool itself."""
        return self.distribution == BUILT_IN


def registered_corpora() -> list[CorpusRegistration]:
    """List all registered corpora by name; a broken plugin has an ``error`` and never raises an exception."""
    return _load(_entry_points())


def names() -> list[str]:
    """List the names of all registered corpora without loading their classes."""
    return sorted({point.name for point in _entry_points()})


def corpus_class(name: str) -> type[Corpus]:
    """Load the class of one corpus and no other plugin.

    Raises:
        CorpusError: if no corpus has this name (the hint lists all names), or its plugin is broken.
    """
    points = _entry_points()
    registrations = _load(point for point in points if point.name == name)
    for each in registrations:
        if each.corpus is not None:
            return each.corpus
    if registrations:
        first = registrations[0]
        raise CorpusError(
            f"corpus {name!r} cannot be used: {first.error}",
            f"It is {first.value} of {first.distribution} {first.version}: repair or uninstall that distribution.",
        )
    raise _unknown(name, sorted({point.name for point in points}))


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


def _entry_points() -> list[EntryPoint]:
    """List the entry points; a distribution with damaged metadata is skipped."""
    try:
        return list(entry_points(group=GROUP))
    except Exception:
        found: dict[str, list[EntryPoint]] = {}
        for distribution in distributions():
            with suppress(Exception):
                found.setdefault(distribution.name, list(distribution.entry_points.select(group=GROUP)))
        return [point for points in found.values() for point in points]


def _load(points: Iterable[EntryPoint]) -> list[CorpusRegistration]:
    found = [(_registration(point), point) for point in points]
    problems = iter(load_problems([(each.name, each.value) for each, _ in found if not each.built_in]))
    loaded = [_loaded(each, point, None if each.built_in else next(problems)) for each, point in found]
    loaded.sort(key=lambda each: (each.name, each.distribution))
    return [_refused_if_ambiguous(each, loaded) for each in loaded]


def _registration(point: EntryPoint) -> CorpusRegistration:
    name = version = ""
    with suppress(Exception):  # the metadata may be damaged
        name, version = (point.dist.name, point.dist.version) if point.dist else ("", "")
    return CorpusRegistration(point.name, point.value, name or "an unnamed distribution", version or "")


def _loaded(registration: CorpusRegistration, point: EntryPoint, error: str | None) -> CorpusRegistration:
    """Load a corpus class, unless another process could not load it (``error``)."""
    corpus = None
    if error is None:
        try:
            with stdout_to_stderr():
                corpus = point.load()
            error = first_class_problem(corpus, point.name)
        except (KeyboardInterrupt, TerminatedError):
            raise
        except BaseException as raised:  # whatever a plugin does at import
            error = one_line(raised)
    return replace(registration, error=error) if error else replace(registration, corpus=corpus)


def _refused_if_ambiguous(one: CorpusRegistration, loaded: list[CorpusRegistration]) -> CorpusRegistration:
    """Refuse a name that two distributions register; a built-in corpus keeps its name."""
    others = [each for each in loaded if each.name == one.name and each is not one]
    if not others or one.built_in:
        return one
    rivals = ", ".join(sorted({f"{each.value} of {each.distribution}" for each in others}))
    return replace(one, corpus=None, error=f"the name {one.name!r} is also registered by {rivals}")


def _unknown(name: str, known: list[str]) -> CorpusError:
    if not known:
        return CorpusError(
            f"unknown corpus {name!r}; no corpus is registered",
            "Install pcqtool (pip install .): an import from its folder is not enough.",
        )
    close = get_close_matches(name.lower(), known, n=1)
    return CorpusError(
        f"unknown corpus {name!r}" + (f"; did you mean {close[0]!r}?" if close else ""),
        f"Known: {', '.join(known)}.",
    )
