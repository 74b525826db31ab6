"""``pcqtool clips``: the strongest events as WAV files, with a table to correct."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pcqtool.cli.common import completion, console, options
from pcqtool.errors import ExitCode
from pcqtool.json_format import JsonFormat
from pcqtool.report.clip_rule import ClipRule

EVENTS = "Events"


def clips(
    result: options.Result,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="A new folder for the clips.")],
    audio: Annotated[
        Path | None,
        typer.Option(
            "--audio", metavar="DIR", help="Folder that names in the table are relative to. Default: the table's root."
        ),
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(
            "--label",
            metavar="LABEL",
            help="Only this emotion; may be repeated. Default: each.",
            autocompletion=completion.labels,
            rich_help_panel=EVENTS,
        ),
    ] = None,
    top: Annotated[
        int,
        typer.Option("--top", min=1, metavar="N", help="Strongest events of each emotion.", rich_help_panel=EVENTS),
    ] = ClipRule.top,
    margin: Annotated[
        float,
        typer.Option(
            "--margin",
            min=0.0,
            metavar="SECONDS",
            help="Time before and after the event that a clip also contains.",
            rich_help_panel=EVENTS,
        ),
    ] = ClipRule.margin_s,
    min_duration: Annotated[
        float,
        typer.Option(
            "--min-duration",
            min=0.0,
            metavar="SECONDS",
            help="Shorter events are left out.",
            rich_help_panel=EVENTS,
        ),
    ] = ClipRule.min_duration_s,
    max_duration: Annotated[
        float,
        typer.Option(
            "--max-duration",
            metavar="SECONDS",
            help="Of a longer event, only this much around its peak.",
            rich_help_panel=EVENTS,
        ),
    ] = ClipRule.max_duration_s,
    json: options.Json = False,
) -> None:
    """Write the strongest events as WAV files, with their labels.

    Correct the labels in metadata.csv, in any spreadsheet: the folder is then a corpus for 'pcqtool train --corpus
    manifest --root DIR'. A recording that cannot be read is skipped, and the exit code is 3.
    """
    from pcqtool.report import clips as report

    rule = ClipRule(top, margin, min_duration, max_duration)
    with console.reporting() as on_progress:
        folder = report.clips(result, out, audio=audio, label=label or None, rule=rule, on_progress=on_progress)
    for file, reason in folder.failures.items():
        console.warn(f"{file}: {reason}")
    if not folder.clips and not folder.failures:
        console.warn("no event was found, so nothing was written")
    counts: dict[str, int] = {}
    for clip in folder.clips:
        counts[clip.event.label] = counts.get(clip.event.label, 0) + 1
    table = folder.path / report.TABLE if folder.clips else None
    if json:
        facts = {"out": folder.path, "table": table, "clips": folder.clips, "failures": folder.failures}
        console.print_json(JsonFormat.CLIPS, facts)
    else:
        console.print_fields(
            {
                "clips": ", ".join(f"{name} {n}" for name, n in counts.items()) or "none",
                "folder": folder.path if folder.clips else None,
                "table": table,
            }
        )
    if folder.failures:
        raise typer.Exit(ExitCode.SOME_FAILED)
