"""``pcqtool merge``: the two tables of a run from its directory of parts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pcqtool.cli import console
from pcqtool.errors import SettingsError


def merge(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="The --out directory of 'pcqtool label'.")],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE.parquet", help="The file table; segments come beside it.")
    ] = Path("results.parquet"),
) -> None:
    """Make one table of files and one of segments from a directory of parts."""
    from pcqtool.tables.edit import join
    from pcqtool.tables.paths import is_table_path, list_parts, table_path
    from pcqtool.tables.provenance import common_provenance

    if not is_table_path(out):
        raise SettingsError(f"--out {out}: not a file that ends in .parquet")
    done = list_parts(directory, "files")
    provenance = common_provenance(done)
    for kind in ("segments", "files"):
        join([directory / kind / part.name for part in done], table_path(out, kind), provenance)
    console.print_fields({"parts": len(done), "table": out, "segments": table_path(out, "segments")})
