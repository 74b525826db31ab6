"""Files opened by their path and nothing else.

pyarrow and polars take the text of a path for an address where it looks like one (``job:17/r.parquet``, ``file:/x``),
and for a path of the user's home where it begins with ``~``.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl


def open_source(path: Path) -> Any:
    """Open a file for pyarrow, which reads it without Python's lock.

    Raises:
        OSError: if it cannot be opened.
    """
    import pyarrow as pa

    return pa.OSFile(os.fsencode(path))


def scan(paths: Sequence[Path]) -> pl.LazyFrame:
    """Open Parquet files with the same columns for polars.

    Raises:
        OSError: if a file cannot be opened.
    """
    import polars as pl

    places = [str(path.absolute()) for path in paths]
    files: Any = places if all(map(_is_unicode, places)) else [path.open("rb") for path in paths]  # no name but Unicode
    return pl.scan_parquet(files, glob=False, hive_partitioning=False)  # names may hold *, [ or =


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
