"""``pcqtool report results``: the page of results."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pcqtool.cli.common import console, options


def results(
    runs: Annotated[
        Path,
        typer.Option("--runs", metavar="DIR", help="Folder with each run's metrics.json, named after the run."),
    ] = Path("docs/results"),
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE.md", help="The page.")] = Path("docs/results.md"),
    check: Annotated[bool, typer.Option("--check", help="Write nothing; fail if the page is not up to date.")] = False,
    json: options.Json = False,
) -> None:
    """Write the page of results from the runs themselves, next to what others have published.

    Each figure has its protocol, interval, seeds, command, data and machine; what leaks is marked.
    """
    from pcqtool.report.results import check_page, write_page

    if check:
        check_page(runs, out)
    written = False if check else write_page(runs, out)
    if json:
        console.print_json({"page": out, "written": written})
    else:
        console.print_fields({"page": out, "status": "written" if written else "says what the runs say"})
