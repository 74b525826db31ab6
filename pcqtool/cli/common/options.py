"""Options that several commands share: one name, one help text, one environment variable each.

A default stands in the command's signature, taken from the settings class that owns it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Inputs = Annotated[
    list[str] | None, typer.Argument(metavar="INPUT...", help="Files, directories (searched to the bottom), globs.")
]

Out = Annotated[
    Path, typer.Option("--out", "-o", metavar="PATH", help="A .parquet file, or a directory for a table of parts.")
]

FilesFrom = Annotated[
    str | None, typer.Option("--files-from", metavar="FILE", help="Read input paths, one a line; - for stdin.")
]

BatchSize = Annotated[
    int | None,
    typer.Option(
        "--batch-size",
        min=1,
        metavar="N",
        help="Segments computed at once; changes no result. Without it, what suits the device: 256 on CUDA, else 32.",
    ),
]

Channels = Annotated[
    str,
    typer.Option(
        "--channels",
        metavar="auto|mix|split|N",
        help="auto: a call's two speakers apart, anything else mixed; or mix, split, or a channel's number from 0.",
    ),
]

Vad = Annotated[
    str,
    typer.Option("--vad", metavar="on|off", help="Find speech first, so that silence and noise are passed over."),
]

Shard = Annotated[
    str,
    typer.Option(
        "--shard",
        metavar="I/N",
        help="Do the I-th of N shares of the inputs, into a directory; `pcqtool merge` joins them.",
    ),
]

Engine = Annotated[
    str,
    typer.Option(
        "--engine",
        metavar="local|ray",
        help="ray: the same parts by the actors of a Ray cluster (RAY_ADDRESS), which shares the folders.",
    ),
]

Workers = Annotated[
    int,
    typer.Option(
        "--workers",
        min=0,
        metavar="N",
        help="With --engine ray: actors that share the cluster; 0 for one a GPU, or without any one for two cores.",
    ),
]

TableRoot = Annotated[
    Path | None,
    typer.Option(
        "--root",
        metavar="DIR",
        help="Folder that names in the tables are relative to. Without it: the one that holds all inputs of the run "
        "that made the table.",
    ),
]

Moved = Annotated[
    bool, typer.Option("--moved", help="The table's recordings have all moved: they lie under --root now.")
]

Restart = Annotated[bool, typer.Option("--restart", help="Replace an earlier result instead of going on with it.")]

DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and do nothing.")]

Json = Annotated[bool, typer.Option("--json", help="Print one JSON value on stdout instead of text for people.")]

FAULTS = "Faults and schedules"

Since = Annotated[
    str | None,
    typer.Option(
        "--since",
        metavar="WHEN",
        help="Only inputs that changed since then: 36h, 7d, 2026-01-31, 2026-01-31T18:00.",
        rich_help_panel=FAULTS,
    ),
]

MaxFailures = Annotated[
    int | None,
    typer.Option(
        "--max-failures",
        min=0,
        metavar="N",
        help="Stop with exit code 1 once more inputs than this have failed; what is finished is kept.",
        rich_help_panel=FAULTS,
    ),
]

RetryFailed = Annotated[
    bool,
    typer.Option("--retry-failed", help="Take up again what an earlier run failed at.", rich_help_panel=FAULTS),
]

MaxDuration = Annotated[
    str,
    typer.Option(
        "--max-duration", metavar="TIME", help="A longer recording fails: 90m, 24h, 7d.", rich_help_panel=FAULTS
    ),
]

MaxChannels = Annotated[
    int,
    typer.Option(
        "--max-channels", min=1, metavar="N", help="A recording with more channels fails.", rich_help_panel=FAULTS
    ),
]

Timeout = Annotated[
    str,
    typer.Option(
        "--timeout",
        metavar="TIME",
        help="A recording fails whose decoder gives nothing for so long; 0 decodes unprotected.",
        rich_help_panel=FAULTS,
    ),
]

Device = Annotated[
    str,
    typer.Option(
        "--device",
        metavar="DEVICE",
        envvar="PCQTOOL_DEVICE",
        help="Where to compute: auto (a GPU when there is one), cpu, cuda, cuda:1, mps.",
    ),
]

Devices = Annotated[
    str,
    typer.Option(
        "--device",
        metavar="DEVICE",
        envvar="PCQTOOL_DEVICE",
        help="Where to compute: auto (a GPU when there is one), cpu, cuda, cuda:1, mps; or on several GPUs: "
        "cuda:0,cuda:1, or cuda:all.",
    ),
]

Precision = Annotated[
    str,
    typer.Option(
        "--precision",
        metavar="float32|bfloat16",
        help="What a pre-trained encoder computes in; bfloat16 is faster where the processor has it.",
    ),
]

Jobs = Annotated[
    int,
    typer.Option("--jobs", "-j", metavar="N", envvar="PCQTOOL_JOBS", help="Parallel jobs; 0 for one a processor core."),
]

Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="NAME|DIR",
        envvar="PCQTOOL_MODEL",
        help="A bundled model's name, or a model directory. Without it: the bundled default.",
    ),
]

EncoderDir = Annotated[
    list[Path] | None,
    typer.Option(
        "--encoder-dir",
        metavar="DIR",
        envvar="PCQTOOL_ENCODERS",
        help="Where the encoder lies that a model names and does not hold: its directory, or a folder of several.",
    ),
]

Root = Annotated[
    Path | None,
    typer.Option(
        "--root",
        metavar="DIR",
        help="Directory of the corpus. Without it: the folder of that name inside PCQTOOL_CORPORA.",
    ),
]

CorpusName = Annotated[
    str, typer.Option("--corpus", metavar="NAME", help="A corpus by its name; 'pcqtool corpora list' shows them.")
]

Corpora = Annotated[
    list[str],
    typer.Option(
        "--corpus",
        metavar="NAME",
        help="A corpus by its name; may be given more than once. OWN=NAME gives it a name of your own.",
    ),
]

Roots = Annotated[
    list[str] | None,
    typer.Option(
        "--root",
        metavar="DIR|NAME=DIR",
        help="Directory of a corpus. Without it: the folder of that name inside PCQTOOL_CORPORA.",
    ),
]

LabelMapFile = Annotated[
    Path | None,
    typer.Option("--map", metavar="FILE.toml", help="What labels count as, or that they are left out."),
]

AllClasses = Annotated[
    bool, typer.Option("--all-classes", help="Of several corpora, keep also classes that only some of them have.")
]

RecipeName = Annotated[
    str,
    typer.Option(
        "--recipe", metavar="NAME|FILE.toml", help="Training settings: best, mini, paper, or a file with the same keys."
    ),
]

Encoder = Annotated[
    str | None,
    typer.Option(
        "--encoder",
        metavar="DIR|ID",
        help="Pre-trained speech encoder to build on, instead of the recipe's: a directory, one in a folder that "
        "PCQTOOL_ENCODERS names, or a Hub id such as microsoft/wavlm-base.",
    ),
]

Teacher = Annotated[
    str | None,
    typer.Option(
        "--teacher",
        metavar="DIR|ID",
        help="Pre-trained encoder that teaches, instead of the recipe's; none of it is kept.",
    ),
]

Epochs = Annotated[
    int | None, typer.Option("--epochs", min=1, metavar="N", help="Passes over the corpus, instead of the recipe's.")
]

Seed = Annotated[
    int | None, typer.Option("--seed", metavar="N", help="Of weights, order and views, instead of the recipe's.")
]
Seeds = Annotated[
    int, typer.Option("--seeds", min=1, metavar="N", help="Train this often, with that seed and those after it.")
]
