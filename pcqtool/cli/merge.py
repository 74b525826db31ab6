"""``pcqtool merge``: the two tables of a run from its directories of parts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pcqtool.cli import console
from pcqtool.errors import SettingsError, TableError


def merge(
    directories: Annotated[
        list[Path], typer.Argument(metavar="DIR...", help="A run's --out directory, or those of all its shards.")
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE.parquet", help="The file table; segments come beside it.")
    ] = Path("results.parquet"),
) -> None:
    """Join directories of parts into the two tables; refused while a shard or a part is missing."""
    from pcqtool.batch.shard import check_whole
    from pcqtool.batch.store import Store, collect
    from pcqtool.tables.edit import read_schema
    from pcqtool.tables.paths import KINDS, is_table_path, list_parts, table_path
    from pcqtool.tables.provenance import common_provenance

    if not is_table_path(out):
        raise SettingsError(f"--out {out}: not a file that ends in .parquet")
    directories = list({directory.resolve(): directory for directory in directories}.values())
    check_whole(directories)
    parts = [path for directory in directories for path in list_parts(directory, "files")]
    if not parts:
        raise TableError(f"{directories[0]}: no part in {directories[0] / 'files'}", "Name a run's --out directory.")
    provenance = common_provenance(parts)
    columns = {kind: read_schema(parts[0].parents[1] / kind / parts[0].name).names for kind in KINDS}
    target = Store(out, provenance, columns)
    with target.locked():
        try:
            target.done()
        except TableError as fault:  # a foreign table, or another run's
            raise TableError(fault.what, "Name another --out, or move it away.") from fault
        collect([Store(directory, provenance, columns) for directory in directories], out)
    console.print_fields({"parts": len(parts), "table": out, "segments": table_path(out, "segments")})
