"""``pcqtool bench``: how fast this machine labels, and beside what."""

from __future__ import annotations

import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from pcqtool.cli.common import console, durations, options, values
from pcqtool.errors import SettingsError

RANDOM_KINDS = ("wavlm", "wav2vec2", "hubert")


def bench(
    inputs: options.Inputs = None,
    model: options.Model = None,
    random: Annotated[
        str | None,
        typer.Option("--random", metavar="KIND", help="Full size, random weights: wavlm, wav2vec2, hubert."),
    ] = None,
    device: options.Device = "auto",
    precision: options.Precision = "float32",
    jobs: options.Jobs = 0,
    batch_size: options.BatchSize = None,
    timeout: options.Timeout = "300s",
    files: Annotated[int, typer.Option("--files", min=1, metavar="N", help="Use at most so many recordings.")] = 200,
    hours: Annotated[
        float | None,
        typer.Option(
            "--hours",
            min=0.0,
            metavar="H",
            help="End to end, go over them until they make so many hours. Without it: 20 on a GPU, else once.",
        ),
    ] = None,
    rounds: Annotated[int, typer.Option("--rounds", min=1, metavar="N", help="Runs of each contender.")] = 3,
    page: Annotated[
        Path | None,
        typer.Option("--page", metavar="FILE.md", help="Put what was measured into this page, in its section's place."),
    ] = None,
    json: options.Json = False,
) -> None:
    """Measure: stage by stage, end to end, and beside plain loops and openSMILE where it is installed."""
    from pcqtool.batch.names import find_sources
    from pcqtool.labelling.settings import LabelSettings

    if random is not None and random not in RANDOM_KINDS:
        raise SettingsError(f"--random is {', '.join(RANDOM_KINDS)}, not {random!r}")
    size = values.batch_size(batch_size, device)
    timeout_s = durations.duration_s(timeout, "--timeout")
    settings = LabelSettings(batch_size=size, jobs=jobs, precision=precision, timeout_s=timeout_s)
    if not inputs:
        raise SettingsError("no inputs", "Name files or directories.")
    sources = find_sources(inputs)
    sources = sources[:: max(1, len(sources) // files)][:files]  # from all over the corpus

    from pcqtool.bench.bench import Scope
    from pcqtool.bench.bench import bench as measure
    from pcqtool.bench.page import HEAD, put, write_section
    from pcqtool.bench.random_model import random_model
    from pcqtool.bench.sample import Sample
    from pcqtool.model.directory import find
    from pcqtool.model.encoders import EncoderConfig

    sample = Sample.of(sources)
    with tempfile.TemporaryDirectory() as folder:
        directory = random_model(Path(folder), EncoderConfig(random), sample) if random else find(model)
        result = measure(sample, directory, device, settings, Scope(rounds, hours, peers=random is not None))
    section = write_section(result)
    if page is not None:
        from pcqtool.files.atomic import write_whole

        before = page.read_text(encoding="utf-8") if page.exists() else HEAD
        write_whole(page, put(section, before).encode())
    if json:
        console.print_json(asdict(result))
    else:
        console.print_page(section.strip())
