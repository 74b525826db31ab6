"""Whether a class is a corpus: the one check that decides if a plugin is usable."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

from pcqtool.errors import SettingsError
from pcqtool.labels import canonical

TEXTS = ("name", "title", "citation", "licence")


def fault(corpus: object, name: str) -> str | None:
    """Say what keeps an object, registered as ``name``, from being a corpus class; None if nothing does."""
    if not isinstance(corpus, type):
        return f"it is a {type(corpus).__name__}, not a class"
    return _missing(corpus) or _wrong_text(corpus, name) or _wrong_labels(corpus) or _wrong_signature(corpus)


def _missing(corpus: type) -> str | None:
    absent = [each for each in (*TEXTS, "url", "labels", "utterances") if not hasattr(corpus, each)]
    return f"{corpus.__name__} lacks {', '.join(absent)}" if absent else None


def _wrong_text(corpus: type, name: str) -> str | None:
    for attribute in TEXTS:
        if not isinstance(getattr(corpus, attribute), str):
            return f"{corpus.__name__}.{attribute} must be a str on the class"
    if not isinstance(getattr(corpus, "url", None), str | None):
        return f"{corpus.__name__}.url must be a str or None on the class"
    own = getattr(corpus, "name", None)
    return None if own == name else f"it is registered as {name!r}, but {corpus.__name__}.name is {own!r}"


def _wrong_labels(corpus: type) -> str | None:
    labels = getattr(corpus, "labels", None)
    if isinstance(labels, property | cached_property):  # known only once the corpus is read
        return None
    if not isinstance(labels, tuple) or not labels or not all(isinstance(label, str) for label in labels):
        return f"{corpus.__name__}.labels must be a tuple of names"
    for label in labels:
        try:
            proper = canonical(label)
        except SettingsError as error:
            return f"{corpus.__name__}.labels: {error.what}"
        if proper != label:
            return f"{corpus.__name__}.labels: {label!r} is written {proper!r} here"
    return None


def _wrong_signature(corpus: type) -> str | None:
    utterances = getattr(corpus, "utterances", None)
    if not callable(utterances):
        return f"{corpus.__name__}.utterances must be a method"
    return _uncallable(corpus, f"{corpus.__name__}(root)", Path()) or _uncallable(utterances, "utterances()", None)


def _uncallable(function: Callable[..., object], form: str, *arguments: object) -> str | None:
    try:
        inspect.signature(function).bind(*arguments)
    except (TypeError, ValueError) as error:
        return f"it cannot be called as {form}: {error}"
    return None
