"""``pcqtool merge``: the two tables of a run from its directory of parts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pcqtool.cli import console
from pcqtool.errors import SettingsError, TableError


def merge(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A run's --out directory.")],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE.parquet", help="The file table; segments come beside it.")
    ] = Path("results.parquet"),
) -> None:
    """Join a directory of parts into the two tables."""
    from pcqtool.batch.store import Store
    from pcqtool.tables.edit import read_schema
    from pcqtool.tables.paths import KINDS, is_table_path, list_parts, table_path
    from pcqtool.tables.provenance import common_provenance

    if not is_table_path(out):
        raise SettingsError(f"--out {out}: not a file that ends in .parquet")
    parts = list_parts(directory, "files")
    if not parts:
        raise TableError(f"{directory}: no finished part in {directory / 'files'}", "Name a run's --out directory.")
    provenance = common_provenance(parts)
    columns = {kind: read_schema(directory / kind / parts[0].name).names for kind in KINDS}
    target = Store(out, provenance, columns)
    with target.locked():
        try:
            target.done()
        except TableError as fault:  # a foreign table, or another run's
            raise TableError(fault.what, "Name another --out, or move it away.") from fault
        Store(directory, provenance, columns).collect(out)
    console.print_fields({"parts": len(parts), "table": out, "segments": table_path(out, "segments")})
