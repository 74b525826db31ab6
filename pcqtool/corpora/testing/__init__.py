"""For the tests of a plugin: one call that holds a corpus class to all that the tool relies on."""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from pcqtool.corpora import conformance
from pcqtool.corpora.base import Corpus, Utterance
from pcqtool.corpora.testing import determinism
from pcqtool.corpora.validation import contents, listing
from pcqtool.errors import CorpusError


class ConformanceError(AssertionError):
    """A class does not keep to the contract of a corpus; ``faults`` are all the ways in which it does not."""

    def __init__(self, corpus: object, faults: list[str]) -> None:
        name = getattr(corpus, "__qualname__", repr(corpus))
        super().__init__(f"{name} is not a corpus as pcqtool needs it:" + "".join(f"\n- {fault}" for fault in faults))
        self.faults = tuple(faults)


def check(corpus: type[Corpus], root: Path) -> list[Utterance]:
    """Hold a corpus class to its contract, ``pcqtool.corpora.base.Corpus``, on a folder that it can read.

    A folder of a few files in the corpus's layout will do, empty ones too: no audio is read. Checked are the class's
    attributes and signatures, the utterances (types, labels, times, groups, files that exist, nothing twice), that the
    list is the same each time and everywhere, that an empty and a missing folder are errors, that the module imports
    nothing that takes long, and that nothing below ``root`` is touched.

    Args:
        corpus: the class, importable from its module.
        root: what its users would give as ``--root``.

    Returns:
        The utterances, for a test to go on with.

    Raises:
        ConformanceError: with every fault; it is an ``AssertionError``.
    """
    faults = list(conformance.faults(corpus, getattr(corpus, "name", "")))
    if faults:
        raise ConformanceError(corpus, faults)
    before = _files(root)
    try:
        opened = corpus(root)
        utterances = opened.utterances()
    except Exception as error:
        raise ConformanceError(corpus, [f"it cannot list {root}: {type(error).__name__}: {error}"]) from error
    faults += _wrong_list(utterances) or [
        *listing.faults(utterances, opened.labels, root),
        *_unlike(corpus, opened, root, utterances),
    ]
    faults += _careless(corpus)
    if _files(root) != before:
        faults.append("it changes what is below its root")
    if faults:
        raise ConformanceError(corpus, faults)
    return utterances


def digests(corpus: Corpus) -> str:
    """Make the text of a file for ``Expected.digests``, from a copy of the corpus that is known to be sound.

    Raises:
        CorpusError: if a recording cannot be read, or two have one name.
    """
    names: dict[str, str] = {}
    for path, found in contents.read_all((each.path for each in corpus.utterances()), n_jobs=1).items():
        if found.fault or path.name in names:
            raise CorpusError(f"{path}: {found.fault or 'there is another file of this name'}")
        names[path.name] = found.digest
    return "".join(f"{names[name]} {name}\n" for name in sorted(names))


def _wrong_list(utterances: object) -> list[str]:
    if not isinstance(utterances, list):
        return [f"utterances() gives a {type(utterances).__name__}, not a list"]
    if foreign := {type(each).__name__ for each in utterances if not isinstance(each, Utterance)}:
        return [f"utterances() gives {', '.join(sorted(foreign))}, not only Utterance"]
    return [] if utterances else ["utterances() gives nothing for this root"]


def _unlike(corpus: type[Corpus], opened: Corpus, root: Path, utterances: list[Utterance]) -> Iterator[str]:
    """List again: with the same object, another one, a copy, and in another process."""
    if opened.utterances() != utterances or corpus(root).utterances() != utterances:
        yield "utterances() gives another list the second time"
    try:
        copy = pickle.loads(pickle.dumps(opened))  # noqa: S301  (our own)
        if copy.utterances() != utterances:
            yield "its pickled copy gives another list"
    except Exception as error:
        yield f"it cannot be pickled: {type(error).__name__}: {error}"
    answer = determinism.ask(corpus, root.absolute())
    if answer.utterances is None:
        yield f"another process cannot list it: {answer.error}"
    elif _absolute(answer.utterances) != _absolute(utterances):
        yield "the order depends on more than the corpus: on the folder's order, or on a set's (sort the files)"
    if answer.heavy:
        yield f"{corpus.__module__} imports {', '.join(answer.heavy)}: that belongs inside the functions that need it"


def _absolute(utterances: list[Utterance]) -> list[Utterance]:
    return [replace(each, path=Path(each.path).absolute()) for each in utterances]


def _careless(corpus: type[Corpus]) -> Iterator[str]:
    """Open it where nothing is."""
    with tempfile.TemporaryDirectory() as empty:
        for what, place in (("a missing folder", Path(empty, "nowhere")), ("an empty folder", Path(empty))):
            try:
                opened = corpus(place)
            except Exception as error:
                yield f"{type(error).__name__} on opening {what}: nothing is to be read before utterances()"
                continue
            try:
                found = opened.utterances()
                yield f"{what} is no error: utterances() gives {len(found)}; raise a CorpusError"
            except CorpusError:
                pass
            except Exception as error:
                yield f"{what} is {type(error).__name__}: {error}; raise a CorpusError"


def _files(root: Path) -> dict[Path, tuple[int, int]]:
    below = sorted(root.rglob("*")) if root.is_dir() else [root]
    return {path: (path.lstat().st_size, path.lstat().st_mtime_ns) for path in below if not path.is_dir()}
