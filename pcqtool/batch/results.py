"""Results of a run, as tables in memory and on disk."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pcqtool.arguments import StrPath, as_path
from pcqtool.errors import TableError
from pcqtool.files.atomic import replacing
from pcqtool.tables.paths import KINDS, is_table_path, list_tables, profile_path, resolved, table_path
from pcqtool.tables.provenance import Provenance, common_provenance
from pcqtool.tables.reader import read_events, read_files, read_segments

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

    from pcqtool.batch.job import Job, RunReport
    from pcqtool.progress import OnProgress


class Results:
    """The tables of a run: a row per file and channel, a row per segment, and a row per event.

    Args:
        path: ``results.parquet``, or a directory of parts.
        report: what the run did; None for results that were opened later.

    Examples:
        >>> import pcqtool
        >>> results = pcqtool.read_results("results.parquet")  # doctest: +SKIP
        >>> results.files.select("file", "label", "confidence")  # doctest: +SKIP
    """

    def __init__(self, path: Path, report: RunReport | None = None) -> None:
        self.path = path.absolute()
        self.report = report

    @cached_property
    def files(self) -> pl.DataFrame:
        """The file table.

        Raises:
            TableError: if it is missing, damaged or not a result of pcqtool.
        """
        return read_files(self.path)

    @cached_property
    def segments(self) -> pl.DataFrame:
        """The segment table. Errors as in ``files``."""
        return read_segments(self.path)

    @cached_property
    def events(self) -> pl.DataFrame:
        """The event table of ``pcqtool label``. Errors as in ``files``."""
        return read_events(self.path)

    @cached_property
    def provenance(self) -> Provenance:
        """Model, settings and versions that the tables were made with."""
        return common_provenance(list_tables(self.path, "files"))

    def array(self, column: str) -> tuple[NDArray[np.float32], pl.DataFrame]:
        """Return a column of features as an array ``(n, *shape)``, with the other columns of its ``n`` rows.

        Raises:
            TableError: if neither table has such a column.
        """
        from pcqtool.tables.arrays import read_features

        return read_features(self.path, column)

    def write(self, out: str | Path) -> None:
        """Copy the tables to ``out``, with segments, events and profile beside it; earlier files there are replaced.

        Args:
            out: a path that ends in ``.parquet``.

        Raises:
            TableError: if the name is not a table's, the results are a directory of parts, or the disk refuses.
        """
        target = resolved(as_path(out))
        if not is_table_path(target):
            raise TableError(f"{target}: a table's name ends in .parquet", "Name results.parquet, for example.")
        if not is_table_path(self.path):
            raise TableError(f"{self.path} is a directory of parts", "Join it with 'pcqtool merge'.")
        if not self.path.exists():
            raise TableError(f"{self.path}: the tables no longer exist")
        for kind in reversed(KINDS):  # the file table is the mark of a finished result
            if kind != "events" or table_path(self.path, kind).exists():
                _copy(table_path(self.path, kind), table_path(target, kind))
        if profile_path(self.path).exists():
            _copy(profile_path(self.path), profile_path(target))


def _copy(path: Path, target: Path) -> None:
    with path.open("rb") as source, replacing(target) as copy:
        shutil.copyfileobj(source, copy)


def read_results(path: str | Path) -> Results:
    """Open the results of ``pcqtool label`` or ``pcqtool extract``.

    Args:
        path: ``results.parquet``, or a directory of parts.

    Raises:
        TableError: if no finished result exists.
    """
    results = Results(resolved(as_path(path)))
    _ = results.provenance
    return results


def run_job(prepare: Callable[[Path], Job], out: StrPath | None, on_progress: OnProgress) -> Results:
    """Run a job and open its results; without ``out``, the tables are in a temporary folder, removed with the object.

    Args:
        prepare: returns the job that writes to a path.
        out: where the tables go.
        on_progress: is called with the number of finished files.
    """
    if out is not None:
        report = prepare(as_path(out)).run(on_progress)
        return Results(report.out, report)
    folder = tempfile.mkdtemp(prefix="pcqtool-")
    try:
        report = prepare(Path(folder, "results.parquet")).run(on_progress)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    results = Results(report.out, report)
    weakref.finalize(results, shutil.rmtree, folder, ignore_errors=True)
    return results
