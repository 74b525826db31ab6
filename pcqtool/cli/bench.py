"""``pcqtool bench``: how fast this machine labels, and beside what."""

from __future__ import annotations

import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from pcqtool.cli import batch, console, options
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
    batch_size: options.BatchSize = 32,
    files: Annotated[int, typer.Option("--files", min=1, metavar="N", help="Use at most so many recordings.")] = 200,
    rounds: Annotated[int, typer.Option("--rounds", min=1, metavar="N", help="Runs of each contender.")] = 3,
    page: Annotated[
        Path | None, typer.Option("--page", metavar="FILE.md", help="Add what was measured to this page.")
    ] = None,
    json: options.Json = False,
) -> None:
    """Measure: stage by stage, end to end, and beside plain loops and openSMILE where it is installed."""
    from pcqtool.batch.shard import Shard
    from pcqtool.labelling.settings import LabelSettings

    if random is not None and random not in RANDOM_KINDS:
        raise SettingsError(f"--random is {', '.join(RANDOM_KINDS)}, not {random!r}")
    settings = LabelSettings(batch_size=options.batch_size(batch_size, device), jobs=jobs, precision=precision)
    sources = batch.sources(inputs, None, None, Shard())
    sources = sources[:: max(1, len(sources) // files)][:files]  # from all over the corpus

    from pcqtool.bench.bench import bench as measure
    from pcqtool.bench.contenders import random_model
    from pcqtool.bench.page import HEAD, write_page
    from pcqtool.model.directory import find

    with tempfile.TemporaryDirectory() as folder:
        directory = random_model(Path(folder), random) if random else find(model)
        result = measure(sources, directory, device, settings, rounds, peers=random is not None)
    text = write_page([result])
    if page is not None:
        from pcqtool.tables.atomic import write_whole

        before = page.read_text(encoding="utf-8") if page.exists() else HEAD
        write_whole(page, f"{before.rstrip()}\n\n{text.removeprefix(HEAD).strip()}\n".encode())
    if json:
        console.print_json(asdict(result))
    else:
        console.print_text(text.removeprefix(HEAD).strip())
