"""``pcqtool merge``: the two tables of a run from its directories of parts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pcqtool.cli.common import console


def merge(
    directories: Annotated[
        list[Path], typer.Argument(metavar="DIR...", help="A run's --out directory, or those of all its shards.")
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE.parquet", help="The file table; segments come beside it.")
    ] = Path("results.parquet"),
) -> None:
    """Join directories of parts into the two tables; refused while a shard, a part or a recording is missing.

    A table that is there already keeps its rows, if it was made with the same settings and names its recordings from
    the same folder; else the merge is refused.
    """
    from pcqtool.batch import merge as batch
    from pcqtool.tables.paths import table_path

    n_parts = batch.merge(directories, out)
    console.print_fields({"parts": n_parts, "table": out, "segments": table_path(out, "segments")})
