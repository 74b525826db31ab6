"""Opening Parquet files by their path alone.

pyarrow and polars take a path for a URL if it looks like one (``job:17/r.parquet``, ``file:/x``), and for a path in the
user's home if it begins with ``~``.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl


def open_source(path: Path) -> Any:
    """Open a file for pyarrow, which reads it without holding Python's lock.

    Raises:
        OSError: if it cannot be opened.
    """
    import pyarrow as pa

    return pa.OSFile(os.fsencode(path))


def scan(paths: Sequence[Path]) -> pl.LazyFrame:
    """Scan Parquet files with the same columns with polars.

    Raises:
        OSError: if a file cannot be opened.
    """
    import polars as pl

    names = [str(path.absolute()) for path in paths]
    files: Any = names if all(map(_is_unicode, names)) else [path.open("rb") for path in paths]  # polars: Unicode only
    return pl.scan_parquet(files, glob=False, hive_partitioning=False)  # names may contain *, [ or =


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
