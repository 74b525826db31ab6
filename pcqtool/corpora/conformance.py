"""Whether a class is a corpus: the one check that decides if a plugin is usable."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path

from pcqtool.corpora.release import Download, Expected
from pcqtool.errors import SettingsError
from pcqtool.labels import canonical

TEXTS = ("name", "title", "citation", "licence")


def fault(corpus: object, name: str) -> str | None:
    """Say what keeps an object, registered as ``name``, from being a corpus class; None if nothing does."""
    return next(faults(corpus, name), None)


def faults(corpus: object, name: str) -> Iterator[str]:
    """Say everything that keeps an object, registered as ``name``, from being a corpus class."""
    if not isinstance(corpus, type):
        yield f"it is a {type(corpus).__name__}, not a class"
        return
    absent = [each for each in (*TEXTS, "url", "labels", "utterances") if not hasattr(corpus, each)]
    if absent:
        yield f"{corpus.__name__} lacks {', '.join(absent)}"
        return
    yield from _wrong_texts(corpus, name)
    yield from _wrong_labels(corpus)
    yield from _wrong_signatures(corpus)
    yield from _wrong_release(corpus)


def _wrong_texts(corpus: type, name: str) -> Iterator[str]:
    for attribute in TEXTS:
        if not isinstance(getattr(corpus, attribute), str):
            yield f"{corpus.__name__}.{attribute} must be a str on the class"
        elif attribute in ("name", "title") and not getattr(corpus, attribute).isprintable():
            yield f"{corpus.__name__}.{attribute} must be a line of printable text"
    if not isinstance(getattr(corpus, "url", None), str | None):
        yield f"{corpus.__name__}.url must be a str or None on the class"
    own = getattr(corpus, "name", None)
    if own != name:
        yield f"it is registered as {name!r}, but {corpus.__name__}.name is {own!r}"


def _wrong_labels(corpus: type) -> Iterator[str]:
    labels = getattr(corpus, "labels", None)
    if isinstance(labels, property | cached_property):  # known only once the corpus is read
        return
    if not isinstance(labels, tuple) or not labels or not all(isinstance(label, str) for label in labels):
        yield f"{corpus.__name__}.labels must be a tuple of names"
        return
    for label in labels:
        try:
            proper = canonical(label)
        except SettingsError as error:
            yield f"{corpus.__name__}.labels: {error.what}"
        else:
            if proper != label:
                yield f"{corpus.__name__}.labels: {label!r} is written {proper!r} here"
    for label in {label for label in labels if labels.count(label) > 1}:
        yield f"{corpus.__name__}.labels: {label!r} is there twice"


def _wrong_signatures(corpus: type) -> Iterator[str]:
    utterances = getattr(corpus, "utterances", None)
    if not callable(utterances):
        yield f"{corpus.__name__}.utterances must be a method"
        return
    yield from _uncallable(corpus, f"{corpus.__name__}(root)", Path())
    yield from _uncallable(utterances, "utterances()", None)


def _uncallable(function: Callable[..., object], form: str, *arguments: object) -> Iterator[str]:
    try:
        inspect.signature(function).bind(*arguments)
    except (TypeError, ValueError) as error:
        yield f"it cannot be called as {form}: {error}"


def _wrong_release(corpus: type) -> Iterator[str]:
    files = getattr(corpus, "downloads", ())
    if not isinstance(files, tuple) or not all(isinstance(each, Download) for each in files):
        yield f"{corpus.__name__}.downloads must be a tuple of Download"
    elif len({each.name for each in files}) < len(files):
        yield f"{corpus.__name__}.downloads has two files of one name"
    if not isinstance(getattr(corpus, "expected", Expected()), Expected):
        yield f"{corpus.__name__}.expected must be an Expected"
