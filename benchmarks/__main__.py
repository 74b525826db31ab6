"""``python -m benchmarks``: how fast this machine labels, beside plain loops and openSMILE."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer

from benchmarks.exit_code import exit_code_of
from pcqtool.cli.common import console, options
from pcqtool.cli.common.program import Program
from pcqtool.cli.common.text import json_text
from pcqtool.errors import SettingsError

app = Program(name="benchmarks", add_completion=False)


@app.command()
def benchmark(
    inputs: options.Inputs = None,
    model: options.Model = None,
    random: Annotated[
        Literal["wavlm", "wav2vec2", "hubert"] | None,
        typer.Option("--random", help="Measure a full-size model with random weights, beside plain loops."),
    ] = None,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    jobs: Annotated[
        int,
        typer.Option("--jobs", "-j", min=0, metavar="N", help="Cores, and workers of every system; 0 for all cores."),
    ] = 0,
    batch_size: options.BatchSize = None,
    timeout: options.Timeout = options.TIMEOUT_S,
    files: Annotated[int, typer.Option("--files", min=1, metavar="N", help="Largest number of recordings.")] = 200,
    hours: Annotated[
        float | None,
        typer.Option(
            "--hours",
            min=0.0,
            metavar="H",
            help="End to end, repeat the recordings until they last H hours. Default: 20 on a GPU, else once.",
        ),
    ] = None,
    repetitions: Annotated[
        int, typer.Option("--repetitions", "--rounds", min=1, metavar="N", help="Runs of each system.")
    ] = 3,
    page: Annotated[
        Path | None,
        typer.Option("--page", metavar="FILE.md", help="Write the measurements into this page, as a section."),
    ] = None,
    json: options.Json = False,
) -> None:
    """Measure labelling stage by stage and end to end, beside openSMILE where it is installed."""
    from pcqtool.batch.names import find_sources
    from pcqtool.labelling.settings import LabelSettings

    settings = LabelSettings(batch_size=batch_size, jobs=jobs, precision=precision, timeout_s=timeout)
    if not inputs:
        raise SettingsError("no inputs", "Name files or directories.")
    sources = find_sources(inputs)
    sources = sources[:: max(1, len(sources) // files)][:files]  # spread evenly over the corpus

    from benchmarks.benchmark import Scope, run_benchmark
    from benchmarks.end_to_end import on_cores
    from benchmarks.markdown_page import HEAD, put, write_section
    from benchmarks.random_model import random_model
    from benchmarks.sample import Sample
    from pcqtool.model.directory import find
    from pcqtool.model.encoders import EncoderConfig

    with on_cores(settings.n_jobs), tempfile.TemporaryDirectory() as folder:
        sample = Sample.of(sources)
        directory = random_model(Path(folder), EncoderConfig(random), sample) if random else find(model)
        result = run_benchmark(sample, directory, device, settings, Scope(repetitions, hours, plain=bool(random)))
    section = write_section(result)
    if page is not None:
        from pcqtool.files.atomic import write_whole

        before = page.read_text(encoding="utf-8") if page.exists() else HEAD
        write_whole(page, put(section, before).encode())
    if json:
        console.print_page(json_text(asdict(result), indent=2))
    else:
        console.print_page(section.strip())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    return exit_code_of(app, "python -m benchmarks", arguments)


if __name__ == "__main__":
    sys.exit(main())
