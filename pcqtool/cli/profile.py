"""``pcqtool profile``: measure the sound of a batch, by which ``pcqtool label`` standardises."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pcqtool.cli.common import console, job_report, options
from pcqtool.json_format import JsonFormat


def profile(
    inputs: options.Inputs = None,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="The profile.")] = Path("batch.profile"),
    by: Annotated[
        str,
        typer.Option(
            "--by",
            metavar="REGEX",
            help="Also measure groups of recordings: the first group of the expression, in the file's name, names a "
            "recording's group.",
        ),
    ] = "",
    files_from: options.FilesFrom = None,
    model: options.Model = None,
    encoder_dir: options.EncoderDir = None,
    device: options.Devices = "auto",
    precision: options.Precision = "auto",
    jobs: options.Jobs = 0,
    batch_size: options.BatchSize = None,
    channels: options.Channels = "auto",
    vad: options.Vad = "on",
    max_duration: options.MaxDuration = options.MAX_DURATION_S,
    max_channels: options.MaxChannels = options.MAX_CHANNELS,
    timeout: options.Timeout = options.TIMEOUT_S,
    json: options.Json = False,
) -> None:
    """Measure the sound of a batch: its room, microphone and line.

    'pcqtool label --profile FILE' standardises by it. Without that option, label measures a profile of its own.
    """
    from pcqtool.labelling.measuring import profile as measure

    with console.reporting() as on_progress:
        measured = measure(
            inputs or (),
            out,
            model=model,
            by=by,
            encoder_dir=encoder_dir,
            device=device,
            listed=job_report.read_list(files_from),
            precision=precision,
            jobs=jobs,
            batch_size=batch_size,
            channels=channels,
            vad=vad == "on",
            max_duration_s=max_duration,
            max_channels=max_channels,
            timeout_s=timeout,
            on_progress=on_progress,
        )
    groups = {name: round(each.speech_s, 1) for name, each in (measured.groups or {}).items()}
    facts = {
        "profile": out,
        "model": measured.model,
        "recordings": measured.n_files,
        "speech_s": round(measured.whole.speech_s, 1),
        "groups": groups,
    }
    if json:
        console.print_json(JsonFormat.PROFILE, facts)
    else:
        shown = ", ".join(f"{name} ({seconds:.0f} s)" for name, seconds in groups.items())
        speech = f"{measured.whole.speech_s:.0f} s of the batch"
        console.print_fields(
            {name: facts[name] for name in ("profile", "model", "recordings")} | {"speech": speech, "groups": shown}
        )
