"""A corpus's list as another process makes it, whose strings hash otherwise and whose folders are read backwards.

``python -m pcqtool.corpora.testing.determinism`` takes a pickled (module, class, root) on stdin and writes a pickled
``ListingResult``.
"""

from __future__ import annotations

import importlib
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pcqtool.corpora.base import Utterance

LIST_S = 600.0  # for a list to be made
HEAVY = ("torch", "numpy", "pandas", "polars", "pyarrow", "sklearn", "soundfile", "transformers")


@dataclass(frozen=True)
class ListingResult:
    """What came of it.

    Attributes:
        utterances: None if it failed.
        heavy: modules that take long to import and that the corpus's module imports.
        error: why it failed.
    """

    utterances: list[Utterance] | None = None
    heavy: tuple[str, ...] = ()
    error: str = ""


def ask(corpus: type, root: Path) -> ListingResult:
    """Start such a process for a corpus class and wait for its answer."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONHASHSEED": "4711"}
    try:
        done = subprocess.run(
            [sys.executable, "-m", __name__],
            input=pickle.dumps((corpus.__module__, corpus.__qualname__, root)),
            capture_output=True,
            env=environment,
            check=False,
            timeout=LIST_S,
        )
    except subprocess.TimeoutExpired:
        return ListingResult(error=f"no answer within {LIST_S:.0f} s")
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        return ListingResult(error=lines[-1] if lines else f"exit code {done.returncode}")
    try:
        answer: ListingResult = pickle.loads(done.stdout)  # noqa: S301  (of our own process)
    except (EOFError, pickle.UnpicklingError):  # a plugin has ended it, or written into it
        return ListingResult(error="it ends the process without an answer")
    return answer


def answer(module: str, name: str, root: Path) -> ListingResult:
    """Import a corpus class and list what is at ``root``."""
    corpus: Any = importlib.import_module(module)
    heavy = tuple(each for each in HEAVY if each in sys.modules)
    for part in name.split("."):
        corpus = getattr(corpus, part)
    with _backwards():
        return ListingResult(corpus(root).utterances(), heavy)


@contextmanager
def _backwards() -> Iterator[None]:
    """Turn around in what order folders give their entries, which is the file system's affair and differs."""
    listdir, scandir = os.listdir, os.scandir

    class Entries:
        def __init__(self, *path: Any) -> None:
            with scandir(*path) as found:
                self._entries = iter(sorted(found, key=lambda entry: entry.name, reverse=True))

        def __iter__(self) -> Iterator[os.DirEntry[str]]:
            return self._entries

        def __next__(self) -> os.DirEntry[str]:
            return next(self._entries)

        def __enter__(self) -> Entries:
            return self

        def __exit__(self, *_: object) -> None:
            self.close()

        def close(self) -> None:
            """Nothing is open any more."""

    os.listdir = lambda *path: sorted(listdir(*path), reverse=True)  # type: ignore[assignment]
    os.scandir = Entries  # type: ignore[assignment]
    try:
        yield
    finally:
        os.listdir, os.scandir = listdir, scandir


if __name__ == "__main__":
    question = pickle.loads(sys.stdin.buffer.read())  # noqa: S301  (of our own process)
    stdout, sys.stdout = sys.stdout, sys.stderr  # a corpus that prints must not spoil the answer
    made = answer(*question)
    from pcqtool.corpora.testing import determinism  # pickle would find no class of "__main__" on the other side

    stdout.buffer.write(pickle.dumps(determinism.ListingResult(made.utterances, made.heavy)))
