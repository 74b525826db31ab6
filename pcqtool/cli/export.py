"""``pcqtool export``: results in the formats of other programs."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer

from pcqtool.cli.common import completion, console, options
from pcqtool.exports.registry import FORMATS
from pcqtool.json_format import JsonFormat


def export(
    results: Annotated[Path, typer.Argument(metavar="RESULT", help="A file table, or the --out directory of a run.")],
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="FORMAT",
            help=f"Format: {', '.join(FORMATS)}.",
            autocompletion=completion.export_formats,
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            metavar="DIR|FILE",
            help="A folder; or a file that ends in "
            f"{', '.join(each.suffix for each in FORMATS.values() if each.suffix)}.",
        ),
    ],
    what: Annotated[
        Literal["events", "segments"] | None,
        typer.Option(
            "--what",
            help="What to export to "
            f"{', '.join(name for name, each in FORMATS.items() if each.takes_what)}. Default: events.",
        ),
    ] = None,
    json: options.Json = False,
) -> None:
    """Write results in the format of another program.

    Files are named as their recordings are. Recordings without audio have rows in csv, xlsx, jsonl and audformat, and
    nothing in the formats that annotate audio.
    """
    from pcqtool.exports import api

    exported = api.export(results, to, out, what=what)
    if json:
        console.print_json(JsonFormat.EXPORT, asdict(exported))
        return
    unreadable = f", {exported.n_unreadable:,} without audio" if exported.n_unreadable else ""
    written = exported.paths
    console.print_fields(
        {
            "recordings": f"{exported.n_recordings:,}{unreadable}",
            "files": f"{len(written):,} written",
            "out": out if len(written) > 3 else list(written),
        }
    )
