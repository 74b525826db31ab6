"""``pcqtool merge``: join a run's directories of parts into one table of each kind."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pcqtool.cli.common import console


def merge(
    directories: Annotated[
        list[Path], typer.Argument(metavar="DIR", help="The --out directory of a run, or of all its shards.")
    ],
    out: Annotated[
        Path,
        typer.Option("--out", "-o", metavar="FILE.parquet", help="The file table; the others are written beside it."),
    ] = Path("results.parquet"),
) -> None:
    """Join the shards of a run into one table of each kind.

    Fails while a shard, a part or a recording is missing. An existing table keeps its rows if its settings and its
    root folder are the same; otherwise the merge fails.
    """
    from pcqtool.batch import merge as batch
    from pcqtool.tables.paths import BESIDE, table_path

    n_parts = batch.merge(directories, out)
    beside: dict[str, object] = {kind: path for kind in BESIDE if (path := table_path(out, kind)).exists()}
    console.print_fields({"parts": n_parts, "table": out, **beside})
