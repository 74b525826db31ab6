"""The contract that every corpus class and every utterance must fulfil, whoever wrote the plugin."""

from __future__ import annotations

import inspect
import math
import unicodedata
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path

from pcqtool.corpora.base import Utterance
from pcqtool.corpora.release import Download, Expected
from pcqtool.errors import SettingsError
from pcqtool.labels import canonical

CLASS_TEXTS = ("name", "title", "citation", "licence")
TEXT_FIELDS = ("label", "speaker", "session", "text_id")
MAX_NAME_LENGTH = 500  # characters; a text_id may be a whole sentence


def first_class_problem(corpus: object, name: str) -> str | None:
    """Return why an object registered as ``name`` is not a usable corpus class; None if it is one."""
    return next(class_problems(corpus, name), None)


def class_problems(corpus: object, name: str) -> Iterator[str]:
    """Yield every reason why an object registered as ``name`` is not a usable corpus class."""
    if not isinstance(corpus, type):
        yield f"it is a {type(corpus).__name__}, not a class"
        return
    absent = [each for each in (*CLASS_TEXTS, "url", "labels", "utterances") if not hasattr(corpus, each)]
    if absent:
        yield f"{corpus.__name__} lacks {', '.join(absent)}"
        return
    yield from _text_problems(corpus, name)
    yield from _label_problems(corpus)
    yield from _signature_problems(corpus)
    yield from _release_problems(corpus)


def utterance_problems(utterance: Utterance) -> Iterator[tuple[str, str]]:
    """Yield (field, problem) for each field whose type or value is invalid; whether the file exists is not checked.

    A result can only store text that is valid UTF-8, and an excerpt must have a positive length.
    """
    if not isinstance(utterance.path, Path):
        yield "path", f"path is {utterance.path!r}, a {type(utterance.path).__name__}, not a Path"
    for field in TEXT_FIELDS:
        if problem := _text_problem(field, getattr(utterance, field)):
            yield field, problem
    numbers = {"start_s": utterance.start_s, "end_s": utterance.end_s, "channel": utterance.channel}
    for field, number in numbers.items():
        allowed = int if field == "channel" else int | float
        if number is not None and (not isinstance(number, allowed) or isinstance(number, bool)):
            yield field, f"{field} is {number!r}, a {type(number).__name__}"
            return
        if number is not None and not 0 <= number < math.inf:
            yield field, f"{field} is {number}"
    if utterance.end_s is not None and utterance.end_s <= (utterance.start_s or 0.0):
        yield "end_s", f"end_s {utterance.end_s:g} is not after start_s {utterance.start_s or 0.0:g}"


def _text_problem(field: str, value: object) -> str | None:
    """Return why a text is invalid; only a label must be known, and only a spoken text may have several lines."""
    if value is None and field != "label":
        return None
    if not isinstance(value, str):
        return f"{field} is {repr(value)[:80]}, a {type(value).__name__}, not text"
    if len(value) > MAX_NAME_LENGTH and field != "text_id":
        return f"{field} is {value[:40]!r}… and has {len(value):,} characters"
    if any("\ud800" <= character <= "\udfff" for character in value):
        return f"{field} is {value[:80]!r}, which is not valid UTF-8"
    if field != "text_id" and any(unicodedata.category(character) == "Cc" for character in value):
        return f"{field} is {value[:80]!r}, which contains control characters"
    return None


def label_problem(label: str) -> str | None:
    """Return why a label is not one of the vocabulary's names; None if it is."""
    try:
        name = canonical(label)
    except SettingsError as error:
        return error.what
    return None if name == label else f"{label!r} must be written {name!r}"


def _text_problems(corpus: type, name: str) -> Iterator[str]:
    for attribute in CLASS_TEXTS:
        if not isinstance(getattr(corpus, attribute), str):
            yield f"{corpus.__name__}.{attribute} must be a str on the class"
        elif attribute in ("name", "title") and not getattr(corpus, attribute).isprintable():
            yield f"{corpus.__name__}.{attribute} must be a line of printable text"
    if not isinstance(getattr(corpus, "url", None), str | None):
        yield f"{corpus.__name__}.url must be a str or None on the class"
    class_name = getattr(corpus, "name", None)
    if class_name != name:
        yield f"it is registered as {name!r}, but {corpus.__name__}.name is {class_name!r}"


def _label_problems(corpus: type) -> Iterator[str]:
    labels = getattr(corpus, "labels", None)
    if isinstance(labels, property | cached_property):  # known only after the corpus has been read
        return
    if not isinstance(labels, tuple) or not labels or not all(isinstance(label, str) for label in labels):
        yield f"{corpus.__name__}.labels must be a tuple of names"
        return
    for label in labels:
        if problem := label_problem(label):
            yield f"{corpus.__name__}.labels: {problem}"
    for label in {label for label in labels if labels.count(label) > 1}:
        yield f"{corpus.__name__}.labels: {label!r} occurs twice"


def _signature_problems(corpus: type) -> Iterator[str]:
    utterances = getattr(corpus, "utterances", None)
    if not callable(utterances):
        yield f"{corpus.__name__}.utterances must be a method"
        return
    yield from _call_problems(corpus, f"{corpus.__name__}(root)", Path())
    yield from _call_problems(utterances, "utterances()", None)


def _call_problems(function: Callable[..., object], form: str, *arguments: object) -> Iterator[str]:
    try:
        inspect.signature(function).bind(*arguments)
    except (TypeError, ValueError) as error:
        yield f"it cannot be called as {form}: {error}"


def _release_problems(corpus: type) -> Iterator[str]:
    files = getattr(corpus, "downloads", ())
    if not isinstance(files, tuple) or not all(isinstance(each, Download) for each in files):
        yield f"{corpus.__name__}.downloads must be a tuple of Download"
    elif len({each.name for each in files}) < len(files):
        yield f"{corpus.__name__}.downloads has two files with the same name"
    if not isinstance(getattr(corpus, "commercial_use", None), bool | None):
        yield f"{corpus.__name__}.commercial_use must be True, False or None"
    if not isinstance(getattr(corpus, "expected", Expected()), Expected):
        yield f"{corpus.__name__}.expected must be an Expected"
