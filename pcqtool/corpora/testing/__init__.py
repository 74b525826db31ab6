"""Tests for corpus plugins: one call checks everything that the tool requires of a corpus class."""

from __future__ import annotations

import pickle
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from pcqtool.corpora import conformance
from pcqtool.corpora.base import Corpus, Utterance
from pcqtool.errors import CorpusError
from pcqtool.plugins.conformance_error import ConformanceError

__all__ = ["ConformanceError", "check", "digests"]

MAX_SHOWN = 5  # problems of one field


def check(corpus: type[Corpus], root: Path) -> list[Utterance]:
    """Check that a corpus class fulfils ``pcqtool.corpora.Corpus``, on a folder that it can read.

    A few files in the corpus's layout are enough, even empty ones: no audio is read. The check covers the class's
    attributes and signatures, and the utterances: types, labels, times, names, existing files, no duplicates. The list
    must be the same each time and on every machine. An empty and a missing folder must be errors. The module must not
    import anything slow, and nothing below ``root`` may change.

    Args:
        corpus: the class, importable from its module.
        root: the value of ``--root``.

    Returns:
        The utterances, for further assertions.

    Raises:
        ConformanceError: with all problems; it is an ``AssertionError``.
    """
    problems = list(conformance.class_problems(corpus, getattr(corpus, "name", "")))
    if problems:
        raise ConformanceError(corpus, "corpus", problems)
    before = _file_states(root)
    try:
        opened = corpus(root)
        utterances = opened.utterances()
    except Exception as error:
        raise ConformanceError(corpus, "corpus", [f"it cannot list {root}: {type(error).__name__}: {error}"]) from error
    problems += _type_problems(utterances) or [
        *_utterance_problems(utterances, opened.labels, root),
        *_determinism_problems(corpus, opened, root, utterances),
    ]
    problems += _missing_folder_problems(corpus)
    if _file_states(root) != before:
        problems.append("it changes files below its root")
    if problems:
        raise ConformanceError(corpus, "corpus", problems)
    return utterances


def digests(corpus: Corpus) -> str:
    """Return the text of a file for ``Expected.digests``, from a copy of the corpus that is known to be intact.

    Raises:
        CorpusError: if a recording cannot be read, or two recordings have the same file name.
    """
    from pcqtool.corpora.validation.audio_summary import summarise_all

    by_name: dict[str, str] = {}
    for path, audio in summarise_all((each.path for each in corpus.utterances()), n_jobs=1).items():
        if audio.problem or path.name in by_name:
            raise CorpusError(f"{path}: {audio.problem or 'another file has the same name'}")
        by_name[path.name] = audio.digest
    return "".join(f"{by_name[name]} {name}\n" for name in sorted(by_name))


def _type_problems(utterances: object) -> list[str]:
    if not isinstance(utterances, list):
        return [f"utterances() returns a {type(utterances).__name__}, not a list"]
    if others := {type(each).__name__ for each in utterances if not isinstance(each, Utterance)}:
        return [f"utterances() returns {', '.join(sorted(others))}, not only Utterance"]
    return [] if utterances else ["utterances() returns an empty list for this root"]


def _utterance_problems(utterances: Sequence[Utterance], labels: object, root: Path) -> Iterator[str]:
    """Yield the problems of utterances, only a few for each field."""
    if not isinstance(labels, tuple) or not all(isinstance(each, str) for each in labels):
        yield f"its labels are {labels!r}, not a tuple of names"
        labels = ()
    counts: Counter[str] = Counter()
    excerpts: set[object] = set()
    for each in utterances:
        for field, problem in (*conformance.utterance_problems(each), *_strict_problems(each, labels, root)):
            counts[field] += 1
            if counts[field] <= MAX_SHOWN:
                yield f"{each.path}: {problem}"
        if each.excerpt in excerpts:
            yield f"{each.path}: listed twice"
        excerpts.add(each.excerpt)
    for field, number in counts.items():
        if number > MAX_SHOWN:
            yield f"and {number - MAX_SHOWN} more problems with {field}"


def _strict_problems(each: Utterance, labels: tuple[str, ...], root: Path) -> Iterator[tuple[str, str]]:
    """Yield problems that only a test reports: a user's run accepts files elsewhere, and names with spaces around."""
    folder = root if root.is_dir() else root.parent
    if not Path(each.path).is_file():
        yield "path", "no such file"
    if not Path(each.path).is_relative_to(folder):
        yield "path", f"not below {folder}"
    if isinstance(each.label, str):
        if labels and each.label not in labels:
            yield "label", f"{each.label!r} is not one of its labels"
        if problem := conformance.label_problem(each.label):
            yield "label", problem
    for field in conformance.TEXT_FIELDS:
        value = getattr(each, field)
        if isinstance(value, str) and (not value or value != value.strip()):
            yield field, f"{field} is {value!r}: empty, or with spaces around it (use None if it is unknown)"


def _determinism_problems(
    corpus: type[Corpus], opened: Corpus, root: Path, utterances: list[Utterance]
) -> Iterator[str]:
    """List again: with the same object, another one, a copy, and in another process."""
    from pcqtool.corpora.testing.determinism import list_in_subprocess  # the process runs that module as a script

    if opened.utterances() != utterances or corpus(root).utterances() != utterances:
        yield "utterances() returns a different list the second time"
    try:
        copy = pickle.loads(pickle.dumps(opened))  # noqa: S301  (written by this process)
        if copy.utterances() != utterances:
            yield "its pickled copy returns a different list"
    except Exception as error:
        yield f"it cannot be pickled: {type(error).__name__}: {error}"
    result = list_in_subprocess(corpus, root.absolute())
    if result.utterances is None:
        yield f"another process cannot list it: {result.error}"
    elif _absolute(result.utterances) != _absolute(utterances):
        yield "its order depends on the directory's order, or on the order of a set (sort the files)"
    if result.slow_imports:
        yield f"{corpus.__module__} imports {', '.join(result.slow_imports)}: move that into the functions that use it"


def _absolute(utterances: list[Utterance]) -> list[Utterance]:
    return [replace(each, path=Path(each.path).absolute()) for each in utterances]


def _missing_folder_problems(corpus: type[Corpus]) -> Iterator[str]:
    """Open the corpus in a missing and in an empty folder: only ``utterances()`` may fail, with a ``CorpusError``."""
    with tempfile.TemporaryDirectory() as empty:
        for what, folder in (("a missing folder", Path(empty, "nowhere")), ("an empty folder", Path(empty))):
            try:
                opened = corpus(folder)
            except Exception as error:
                yield f"{type(error).__name__} when {what} is opened: read nothing before utterances()"
                continue
            try:
                utterances = opened.utterances()
                yield f"{what} is not an error: utterances() returns {len(utterances)}; raise a CorpusError"
            except CorpusError:
                pass
            except Exception as error:
                yield f"{what} raises {type(error).__name__}: {error}; raise a CorpusError"


def _file_states(root: Path) -> dict[Path, tuple[int, int]]:
    below = sorted(root.rglob("*")) if root.is_dir() else [root]
    return {path: (path.lstat().st_size, path.lstat().st_mtime_ns) for path in below if not path.is_dir()}
