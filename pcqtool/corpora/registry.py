"""Which corpora there are: the built-in ones and those of plugins, all found through entry points."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from difflib import get_close_matches
from importlib.metadata import EntryPoint, distributions, entry_points
from pathlib import Path

from pcqtool.corpora.base import Corpus
from pcqtool.corpora.conformance import fault
from pcqtool.corpora.roots import resolve
from pcqtool.corpora.testing.plugin_probe import brief, printing_aside, probe
from pcqtool.errors import CorpusError, PcqtoolError, TerminatedError

GROUP = "pcqtool.corpora"
BUILT_IN = "pcqtool"


@dataclass(frozen=True)
class CorpusRegistration:
    """One registration: a usable ``corpus`` class, or an ``error`` that says why there is none."""

    name: str
    value: str
    distribution: str
    version: str
    corpus: type[Corpus] | None = None
    error: str | None = None

    @property
    def built_in(self) -> bool:
        """Whether it comes with the tool itself."""
        return self.distribution == BUILT_IN


def available() -> list[CorpusRegistration]:
    """List every registered corpus by name; a broken plugin is an entry with an ``error``, never an exception."""
    return _load(_points())


def names() -> list[str]:
    """List the names of registered corpora without loading any."""
    return sorted({point.name for point in _points()})


def find(name: str) -> type[Corpus]:
    """Load the class of one corpus, and no other plugin.

    Raises:
        CorpusError: if no corpus has the name (the message lists those that exist), or its plugin is broken.
    """
    points = _points()
    entries = _load(point for point in points if point.name == name)
    for entry in entries:
        if entry.corpus is not None:
            return entry.corpus
    if entries:
        raise CorpusError(
            f"corpus {name!r} cannot be used: {entries[0].error}",
            f"It is {entries[0].value} of {entries[0].distribution} {entries[0].version}: repair or uninstall that.",
        )
    raise _unknown(name, sorted({point.name for point in points}))


def get(name: str, root: str | Path | None = None) -> Corpus:
    """Open a corpus at ``root``, or else at ``$PCQTOOL_CORPORA/NAME``.

    Raises:
        CorpusError: if the corpus is unknown, broken, or not at that place.
    """
    corpus = find(name)
    path = resolve(corpus, root)
    try:
        with printing_aside():
            return corpus(path)
    except (PcqtoolError, KeyboardInterrupt, TerminatedError):
        raise
    except BaseException as error:  # a plugin's fault must not look like the tool's
        raise CorpusError(f"corpus {name!r} cannot open {path}: {brief(error)}") from error


def _points() -> list[EntryPoint]:
    """List the registrations; a distribution whose own list is damaged is passed over."""
    try:
        return list(entry_points(group=GROUP))
    except Exception:
        found: dict[str, list[EntryPoint]] = {}
        for distribution in distributions():
            with suppress(Exception):
                found.setdefault(distribution.name, list(distribution.entry_points.select(group=GROUP)))
        return [point for points in found.values() for point in points]


def _load(points: Iterable[EntryPoint]) -> list[CorpusRegistration]:
    entries = [(_describe(point), point) for point in points]
    foreign = [(entry.name, entry.value) for entry, _ in entries if not entry.built_in]
    verdicts = iter(probe(foreign))
    loaded = [_loaded(entry, point, None if entry.built_in else next(verdicts)) for entry, point in entries]
    loaded.sort(key=lambda entry: (entry.name, entry.distribution))
    return [_unless_twice(entry, loaded) for entry in loaded]


def _describe(point: EntryPoint) -> CorpusRegistration:
    name = version = ""
    with suppress(Exception):  # its metadata may be damaged
        name, version = (point.dist.name, point.dist.version) if point.dist else ("", "")
    return CorpusRegistration(point.name, point.value, name or "an unnamed distribution", version or "")


def _loaded(entry: CorpusRegistration, point: EntryPoint, error: str | None) -> CorpusRegistration:
    """Load a corpus that another process could load."""
    corpus = None
    if error is None:
        try:
            with printing_aside():
                corpus = point.load()
            error = fault(corpus, point.name)
        except (KeyboardInterrupt, TerminatedError):
            raise
        except BaseException as raised:  # whatever a plugin does at import
            error = brief(raised)
    return replace(entry, error=error) if error else replace(entry, corpus=corpus)


def _unless_twice(entry: CorpusRegistration, entries: list[CorpusRegistration]) -> CorpusRegistration:
    """Refuse a name that two distributions claim; a built-in corpus keeps its own."""
    others = [each for each in entries if each.name == entry.name and each is not entry]
    if not others or entry.built_in:
        return entry
    rivals = ", ".join(sorted({f"{each.value} of {each.distribution}" for each in others}))
    return replace(entry, corpus=None, error=f"the name {entry.name!r} is also taken by {rivals}")


def _unknown(name: str, known: list[str]) -> CorpusError:
    if not known:
        return CorpusError(
            f"unknown corpus {name!r}, and none is registered",
            "Install pcqtool (pip install .), do not only import it.",
        )
    close = get_close_matches(name.lower(), known, n=1)
    return CorpusError(
        f"unknown corpus {name!r}" + (f"; did you mean {close[0]!r}?" if close else ""),
        f"Known: {', '.join(known)}.",
    )
