"""Determinism check: list a corpus in a second process with another hash seed and reversed directory order.

``python -m pcqtool.corpora.testing.determinism`` reads a pickled (module, class, root) from stdin and writes a pickled
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

LIST_TIMEOUT_S = 600.0
SLOW_MODULES = ("torch", "numpy", "pandas", "polars", "pyarrow", "sklearn", "soundfile", "transformers")


@dataclass(frozen=True)
class ListingResult:
    """The result of listing a corpus in another process.

    Attributes:
        utterances: None if the listing failed.
        slow_imports: modules that are slow to import and that the corpus's module imports.
        error: why the listing failed.
    """

    utterances: list[Utterance] | None = None
    slow_imports: tuple[str, ...] = ()
    error: str = ""


def list_in_subprocess(corpus: type, root: Path) -> ListingResult:
    """List what a corpus class finds at ``root``, in another process."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONHASHSEED": "4711"}
    try:
        done = subprocess.run(
            [sys.executable, "-m", __name__],
            input=pickle.dumps((corpus.__module__, corpus.__qualname__, root)),
            capture_output=True,
            env=environment,
            check=False,
            timeout=LIST_TIMEOUT_S,
        )
    except subprocess.TimeoutExpired:
        return ListingResult(error=f"no answer within {LIST_TIMEOUT_S:.0f} s")
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        return ListingResult(error=lines[-1] if lines else f"exit code {done.returncode}")
    try:
        result: ListingResult = pickle.loads(done.stdout)  # noqa: S301  (written by our own process)
    except (EOFError, pickle.UnpicklingError):  # a plugin has ended the process, or printed into the result
        return ListingResult(error="it ends the process without an answer")
    return result


def _list_here(module: str, name: str, root: Path) -> ListingResult:
    """Import a corpus class and list what is at ``root``."""
    corpus: Any = importlib.import_module(module)
    slow_imports = tuple(each for each in SLOW_MODULES if each in sys.modules)
    for part in name.split("."):
        corpus = getattr(corpus, part)
    with _reversed_directories():
        return ListingResult(corpus(root).utterances(), slow_imports)


@contextmanager
def _reversed_directories() -> Iterator[None]:
    """Reverse the order of directory entries: it depends on the file system, so that a list must not depend on it."""
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
            """Do nothing: the directory is closed already."""

    os.listdir = lambda *path: sorted(listdir(*path), reverse=True)  # type: ignore[assignment]
    os.scandir = Entries  # type: ignore[assignment]
    try:
        yield
    finally:
        os.listdir, os.scandir = listdir, scandir


if __name__ == "__main__":
    request = pickle.loads(sys.stdin.buffer.read())  # noqa: S301  (written by our own process)
    stdout, sys.stdout = sys.stdout, sys.stderr  # whatever a corpus prints must not end up in the result
    listed = _list_here(*request)
    from pcqtool.corpora.testing import determinism  # the reader could not unpickle a class of "__main__"

    stdout.buffer.write(pickle.dumps(determinism.ListingResult(listed.utterances, listed.slow_imports)))
