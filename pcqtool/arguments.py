"""Arguments of public functions: paths, names and numbers in the forms that callers use."""

from __future__ import annotations

import os
from collections.abc import Sequence

StrPath = str | os.PathLike[str]


def as_list(names: StrPath | Sequence[StrPath] | None) -> list[str]:
    """Return one name, several or none as a list of text."""
    if names is None:
        return []
    return [os.fspath(each) for each in ([names] if isinstance(names, str | os.PathLike) else names)]


def as_text(source: StrPath | None) -> str | None:
    """Return a directory or Hub id as text."""
    return None if source is None else os.fspath(source)


def n_jobs(jobs: int) -> int:
    """Return the number of parallel jobs; 0 stands for one per processor core that this process may use."""
    from joblib import cpu_count

    return jobs or int(cpu_count())
