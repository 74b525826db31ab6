"""Registries of classes: built-in ones and those of plugins, all found through the entry points of one group."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from difflib import get_close_matches
from importlib.metadata import EntryPoint, distributions, entry_points
from typing import Generic, TypeVar

from pcqtool.errors import PcqtoolError, TerminatedError
from pcqtool.plugins.isolation import load_problems, one_line, stdout_to_stderr

BUILT_IN = "pcqtool"
T = TypeVar("T")


@dataclass(frozen=True)
class Registration(Generic[T]):
    """A registered class, or the ``error`` that makes it unusable.

    Attributes:
        name: the registered name.
        value: ``module:Class``.
        distribution: the distribution that registers it.
        version: of that distribution.
        loaded: the class; None with an ``error``.
        error: why it cannot be used.
    """

    name: str
    value: str
    distribution: str
    version: str
    loaded: type[T] | None = None
    error: str | None = None

    @property
    def built_in(self) -> bool:
        """Whether it belongs to pcqtool itself."""
        return self.distribution == BUILT_IN


@dataclass(frozen=True)
class Registry(Generic[T]):
    """The classes that are registered under a group of entry points.

    Attributes:
        group: name of the group.
        noun: a word for one of the classes.
        check: ``module:function``; the function takes a loaded object and its name, and returns what is wrong with it.
        error: class of the errors.
        timeout_s: longest duration of a plugin's import; None for the usual one.
    """

    group: str
    noun: str
    check: str
    error: type[PcqtoolError]
    timeout_s: float | None = None

    def registrations(self) -> list[Registration[T]]:
        """List all classes by name; a broken plugin has an ``error`` and never raises an exception."""
        return self._load(self._entry_points())

    def checked(self) -> list[Registration[T]]:
        """List all names like ``registrations``, but plugins are loaded in another process only; none is ``loaded``."""
        return self._load(self._entry_points(), only_check=True)

    def names(self) -> list[str]:
        """List all registered names without loading anything."""
        return sorted({point.name for point in self._entry_points()})

    def find(self, name: str) -> Registration[T]:
        """Load the class of one name and no other plugin.

        Raises:
            PcqtoolError: of the registry's class, if nothing has this name (the hint lists all names), or its plugin is
                broken.
        """
        points = self._entry_points()
        found = self._load(point for point in points if point.name == name)
        for each in found:
            if each.loaded is not None:
                return each
        if found:
            raise self.error(
                f"{self.noun} {name!r} cannot be used: {found[0].error}",
                f"It is {found[0].value} of {found[0].distribution} {found[0].version}: "
                "repair or uninstall that distribution.",
            )
        raise self.unknown(name, sorted({point.name for point in points}))

    def load(self, name: str) -> type[T]:
        """Return the class of one name. Errors are those of ``find``."""
        loaded = self.find(name).loaded
        assert loaded is not None  # noqa: S101  (else ``find`` raises)
        return loaded

    def version_of(self, name: str) -> tuple[str, str] | None:
        """Return distribution and version of the plugin that registers a name; None if there is none, or pcqtool does.

        Nothing is loaded.
        """
        found: list[Registration[T]] = [_registration(point) for point in self._entry_points() if point.name == name]
        if not found or any(each.built_in for each in found):
            return None
        return found[0].distribution, found[0].version

    def unknown(self, name: str, known: Iterable[str]) -> PcqtoolError:
        """Return the error for a name that nothing has, given all names."""
        known = list(known)
        if not known:
            return self.error(
                f"unknown {self.noun} {name!r}; no {self.noun} is registered",
                "Install pcqtool (pip install .): an import from its folder is not enough.",
            )
        close = get_close_matches(name.lower(), known, n=1)
        return self.error(
            f"unknown {self.noun} {name!r}" + (f"; did you mean {close[0]!r}?" if close else ""),
            f"Known: {', '.join(known)}.",
        )

    def _entry_points(self) -> list[EntryPoint]:
        """List the entry points; a distribution with damaged metadata is skipped."""
        try:
            return list(entry_points(group=self.group))
        except Exception:
            found: dict[str, list[EntryPoint]] = {}
            for distribution in distributions():
                with suppress(Exception):
                    found.setdefault(distribution.name, list(distribution.entry_points.select(group=self.group)))
            return [point for points in found.values() for point in points]

    def _load(self, points: Iterable[EntryPoint], only_check: bool = False) -> list[Registration[T]]:
        found: list[tuple[Registration[T], EntryPoint]] = [(_registration(point), point) for point in points]
        foreign = [(each.name, each.value) for each, _ in found if not each.built_in]
        problems = iter(load_problems(foreign, self.check, self.timeout_s))
        errors = [None if each.built_in else next(problems) for each, _ in found]
        loaded = [
            replace(each, error=error) if only_check else self._loaded(each, point, error)
            for (each, point), error in zip(found, errors, strict=True)
        ]
        loaded.sort(key=lambda each: (each.name, each.distribution))
        return [_refused_if_ambiguous(each, loaded) for each in loaded]

    def _loaded(self, registration: Registration[T], point: EntryPoint, error: str | None) -> Registration[T]:
        """Load a class, unless another process could not load it (``error``)."""
        loaded = None
        if error is None:
            try:
                with stdout_to_stderr():
                    loaded = point.load()
                error = EntryPoint("check", self.check, "").load()(loaded, point.name)
            except (KeyboardInterrupt, TerminatedError):
                raise
            except BaseException as raised:  # whatever a plugin does at import
                error = one_line(raised)
        return replace(registration, error=error) if error else replace(registration, loaded=loaded)


def _registration(point: EntryPoint) -> Registration[T]:
    name = version = ""
    with suppress(Exception):  # the metadata may be damaged
        name, version = (point.dist.name, point.dist.version) if point.dist else ("", "")
    return Registration(point.name, point.value, name or "an unnamed distribution", version or "")


def _refused_if_ambiguous(one: Registration[T], loaded: list[Registration[T]]) -> Registration[T]:
    """Refuse a name that two distributions register; a built-in class keeps its name."""
    others = [each for each in loaded if each.name == one.name and each is not one]
    if not others or one.built_in:
        return one
    rivals = ", ".join(sorted({f"{each.value} of {each.distribution}" for each in others}))
    return replace(one, loaded=None, error=f"the name {one.name!r} is also registered by {rivals}")
