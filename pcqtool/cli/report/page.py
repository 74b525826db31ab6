"""``pcqtool report page``: results as one HTML page."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from pcqtool.cli.common import completion, console, options
from pcqtool.json_format import JsonFormat

EMBEDDING = "Clips inside the page"
TRENDS = "Trends"


def page(
    result: Annotated[Path, typer.Argument(metavar="RESULT", help="Table or directory of 'pcqtool label'.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE.html", help="The page.")] = Path("report.html"),
    audio: Annotated[
        Path | None,
        typer.Option(
            "--audio", metavar="DIR", help="Folder of the recordings. Default: the table's root, if they are there."
        ),
    ] = None,
    title: Annotated[str | None, typer.Option("--title", metavar="TEXT", help="Heading of the page.")] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            metavar="NAME|DIR",
            help="The model of the results, for its scores. Default: the bundled model of that name.",
            autocompletion=completion.models,
        ),
    ] = None,
    moments: Annotated[
        int | None,
        typer.Option("--moments", min=1, metavar="N", help="Moments of each emotion to list. Default: 12."),
    ] = None,
    name_pattern: Annotated[
        str | None,
        typer.Option(
            "--name-pattern",
            metavar="PATTERN",
            help="Groups in the names of recordings: '{date}/{call}_{agent}.wav'.",
            rich_help_panel=TRENDS,
        ),
    ] = None,
    metadata: Annotated[
        Path | None,
        typer.Option(
            "--metadata",
            metavar="FILE.csv",
            help="Table with a column 'file' and others to group by; 'label' is compared with the model's.",
            rich_help_panel=TRENDS,
        ),
    ] = None,
    embed: Annotated[
        bool,
        typer.Option("--embed", help="Put clips of the strongest moments into the page.", rich_help_panel=EMBEDDING),
    ] = False,
    embed_limit: Annotated[
        float | None,
        typer.Option(
            "--embed-limit",
            metavar="MB",
            help="Largest size of all clips together. Default: 20.",
            rich_help_panel=EMBEDDING,
        ),
    ] = None,
    json: options.Json = False,
) -> None:
    """Write results as one HTML page to look at and listen to.

    The page works from the disk, without a server or network. It plays the recordings from where they are, relative to
    the page, or clips inside it.
    """
    from pcqtool.report.page.writing import EMBED_LIMIT_MB, MOMENTS, write_page

    written = write_page(
        result,
        out,
        title=title,
        audio=audio,
        embed=embed,
        embed_limit_mb=EMBED_LIMIT_MB if embed_limit is None else embed_limit,
        moments=MOMENTS if moments is None else moments,
        model=model,
        name_pattern=name_pattern,
        metadata=metadata,
    )
    for note in written.notes:
        console.warn(note)
    if json:
        console.print_json(JsonFormat.PAGE, asdict(written))
        return
    sound = f"{written.n_clips} clips" if embed else "recordings" if written.has_links else "none: name their folder"
    console.print_fields(
        {
            "page": written.path,
            "size": f"{written.size_bytes / 1e6:.1f} MB",
            "recordings": str(written.n_recordings),
            "sound": sound if embed or written.has_links else f"{sound} with --audio",
        }
    )
