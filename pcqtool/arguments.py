"""Arguments of public functions: paths, names and numbers in the forms that callers use."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from pcqtool.errors import SettingsError

StrPath = str | os.PathLike[str]


def as_list(names: StrPath | Iterable[StrPath] | None) -> list[str]:
    """Return one name, several or none as a list of text."""
    if names is None:
        return []
    return [os.fspath(each) for each in ([names] if isinstance(names, str | os.PathLike) else names)]


def as_text(source: StrPath | None) -> str | None:
    """Return a directory or Hub id as text."""
    return None if source is None else os.fspath(source)


def as_path(path: StrPath) -> Path:
    """Return a path with a leading ``~`` expanded.

    Raises:
        SettingsError: if it is empty.
    """
    if not os.fspath(path):
        raise SettingsError("a path is empty", "Name a file or folder.")
    try:
        return Path(path).expanduser()
    except RuntimeError:  # "~" and a name that is not a user's
        return Path(path)


def n_jobs(jobs: int) -> int:
    """Return the number of parallel jobs; 0 stands for one per processor core that this process may use.

    Raises:
        SettingsError: if it is negative.
    """
    from joblib import cpu_count

    if jobs < 0:
        raise SettingsError(f"jobs must be 0 or more, not {jobs}")
    return jobs or int(cpu_count())
