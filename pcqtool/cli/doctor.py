"""``pcqtool doctor``: is everything here that the tool needs, and what to do where it is not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from pcqtool.cli.checks.finding import Finding, Status, fault
from pcqtool.cli.common import console, flags, options
from pcqtool.errors import ExitCode
from pcqtool.version import __version__

COLOURS = {Status.OK: "green", Status.WARNING: "yellow", Status.FAULT: "bold red"}


def doctor(
    ctx: typer.Context,
    as_json: options.Json = False,
    config: Annotated[
        Path | None,
        typer.Option("--config", metavar="FILE.toml", help="A settings file to check.", rich_help_panel=flags.PANEL),
    ] = None,
) -> int:
    """Check the installation and name the remedy for each fault.

    Looks at Python and every dependency, torch and torchaudio fitting each other, GPU and CPU, the audio libraries,
    the bundled models and their encoders, corpus plugins, PCQTOOL_ variables and free space. Ends with 1 if there is
    a fault.
    """
    findings = examine(config or flags.config_file(ctx), ctx.find_root().command)
    faults = sum(finding.status is Status.FAULT for finding in findings)
    if as_json:
        console.print_json({"pcqtool": __version__, "faults": faults, "checks": findings})
    else:
        show(findings)
    return ExitCode.FAILED if faults else ExitCode.DONE


def examine(config: Path | None, root: object) -> list[Finding]:
    """Run every check; one that fails itself is a fault among the others."""
    from pcqtool.cli.checks import contents, pytorch, sound, surroundings, versions

    checks: dict[str, Callable[[], list[Finding]]] = {
        "versions": versions.versions,
        "torch and torchaudio": pytorch.pytorch,
        "libsndfile": sound.libsndfile,
        "FFmpeg": sound.ffmpeg,
        "voice activity model": sound.voice_activity,
        "bundled model": contents.bundled_model,
        "encoders": contents.encoders,
        "corpora": contents.corpora,
        "environment": surroundings.environment,
        "settings file": partial(surroundings.settings_file, config, root),
        "disk": surroundings.disk,
    }
    return [finding for name, check in checks.items() for finding in _guarded(name, check)]


def _guarded(name: str, check: Callable[[], list[Finding]]) -> list[Finding]:
    try:
        return check()
    except Exception as error:  # broken packages raise anything
        what = f"{type(error).__name__}: {error}".splitlines()[0]
        return [fault(name, what, "Mend the faults above first; then run pcqtool doctor again.")]


def show(findings: Sequence[Finding]) -> None:
    """Print the findings as a table, and below it what to do, in lines that can be copied."""
    rows = [(finding.check, finding.status.value, finding.found) for finding in findings]
    console.print_table(("check", "status", "found"), rows, styles={status.value: c for status, c in COLOURS.items()})
    todo = [finding for finding in findings if finding.status is not Status.OK]
    if not todo:
        console.print_page("\nEverything is in order.")
    for finding in todo:
        console.print_text("")
        console.print_text(f"{finding.check} ({finding.status.value}): {finding.found}")
        console.print_page(finding.remedy)
