"""``pcqtool doctor``: checks of the installation, and remedies for each fault."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from pcqtool.cli.checks.finding import CheckStatus, Finding, fault
from pcqtool.cli.common import console, flags, options
from pcqtool.errors import ExitCode
from pcqtool.json_format import JsonFormat
from pcqtool.version import __version__

COLOURS = {CheckStatus.OK: "green", CheckStatus.WARNING: "yellow", CheckStatus.FAULT: "bold red"}


def doctor(
    ctx: typer.Context,
    as_json: options.Json = False,
    config: Annotated[
        Path | None,
        typer.Option("--config", metavar="FILE.toml", help="A settings file to check.", rich_help_panel=flags.PANEL),
    ] = None,
) -> int:
    """Check the installation and name the remedy for each fault.

    Checks Python and all dependencies, torch and torchaudio, GPU and CPU, the audio libraries, the bundled models and
    their encoders, plugins, PCQTOOL_ variables and free disk space. Exits with 1 if there is a fault.
    """
    findings = examine(config or flags.config_file(ctx), ctx.find_root().command)
    faults = sum(finding.status is CheckStatus.FAULT for finding in findings)
    if as_json:
        console.print_json(JsonFormat.DOCTOR, {"pcqtool": __version__, "faults": faults, "checks": findings})
    else:
        show(findings)
    return ExitCode.FAILED if faults else ExitCode.DONE


def examine(config: Path | None, root: object) -> list[Finding]:
    """Run all checks; a check that raises an error is reported as a fault."""
    from pcqtool.cli.checks import dependencies, environment, models_and_corpora, pytorch

    checks: dict[str, Callable[[], list[Finding]]] = {
        "versions": dependencies.versions,
        "torch and torchaudio": pytorch.pytorch,
        "libsndfile": dependencies.libsndfile,
        "FFmpeg": dependencies.ffmpeg,
        "voice activity model": dependencies.voice_activity,
        "bundled model": models_and_corpora.bundled_model,
        "encoders": models_and_corpora.encoders,
        "corpora": models_and_corpora.corpora,
        "networks": models_and_corpora.networks,
        "environment": environment.environment,
        "settings file": partial(environment.settings_file, config, root),
        "disk": environment.disk,
    }
    return [finding for name, check in checks.items() for finding in _guarded(name, check)]


def _guarded(name: str, check: Callable[[], list[Finding]]) -> list[Finding]:
    try:
        return check()
    except Exception as error:  # broken packages may raise any error
        what = f"{type(error).__name__}: {error}".splitlines()[0]
        return [fault(name, what, "Repair the faults above first; then run pcqtool doctor again.")]


def show(findings: Sequence[Finding]) -> None:
    """Print the findings as a table, followed by the remedies in lines that can be copied."""
    rows = [(finding.check, finding.status.value, finding.found) for finding in findings]
    console.print_table(("check", "status", "found"), rows, styles={status.value: c for status, c in COLOURS.items()})
    problems = [finding for finding in findings if finding.status is not CheckStatus.OK]
    if not problems:
        console.print_page("\nEverything is in order.")
    for finding in problems:
        console.print_text("")
        console.print_text(f"{finding.check} ({finding.status.value}): {finding.found}")
        console.print_page(finding.remedy)
