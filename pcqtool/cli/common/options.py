"""Options that several commands share: one name, one help text, one environment variable each."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from pcqtool.audio.limits import TIMEOUT_S as TIMEOUT_S
from pcqtool.audio.limits import Limits
from pcqtool.cli.common import completion, durations

MODEL = "Model"
AUDIO = "Audio"
EARLIER = "Earlier results"
FAULTS = "Faults"
MACHINES = "Many machines"
CORPUS = "Corpus"
RECIPE = "Recipe"

MAX_DURATION_S = Limits.max_duration_s
MAX_CHANNELS = Limits.max_channels

Inputs = Annotated[
    list[str] | None,
    typer.Argument(metavar="INPUT", help="Files, folders (searched recursively), patterns.", show_default=False),
]

Out = Annotated[
    Path, typer.Option("--out", "-o", metavar="PATH", help="A .parquet file, or a directory for a table in parts.")
]

Result = Annotated[
    Path, typer.Argument(metavar="RESULT", help="results.parquet, or a directory of parts.", show_default=False)
]

FilesFrom = Annotated[
    str | None, typer.Option("--files-from", metavar="FILE", help="Read input paths, one per line; - for stdin.")
]

Json = Annotated[bool, typer.Option("--json", help="Print one JSON value on stdout, for programs.")]

DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what a run would do, and change nothing.")]

Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="NAME|DIR",
        envvar="PCQTOOL_MODEL",
        help="Name of a bundled model, or a model directory. Default: the bundled small model.",
        autocompletion=completion.models,
        rich_help_panel=MODEL,
    ),
]

EncoderDir = Annotated[
    list[Path] | None,
    typer.Option(
        "--encoder-dir",
        metavar="DIR",
        envvar="PCQTOOL_ENCODERS",
        help="Directory of the encoder that a model refers to, or a folder of such directories.",
        rich_help_panel=MODEL,
    ),
]

_DEVICE = "Where to compute: auto (a GPU if there is one), cpu, cuda, cuda:1, mps"

Device = Annotated[
    str,
    typer.Option(
        "--device",
        metavar="DEVICE",
        envvar="PCQTOOL_DEVICE",
        help=f"{_DEVICE}.",
        autocompletion=completion.devices,
    ),
]

Devices = Annotated[
    str,
    typer.Option(
        "--device",
        metavar="DEVICE",
        envvar="PCQTOOL_DEVICE",
        help=f"{_DEVICE}; several GPUs as cuda:0,cuda:1 or cuda:all.",
        autocompletion=completion.devices,
        rich_help_panel=MODEL,
    ),
]

Precision = Annotated[
    Literal["auto", "float32", "bfloat16"],
    typer.Option(
        "--precision",
        help="Number format. bfloat16 is faster on processors and GPUs with instructions for it, and changes "
        "probabilities a little. auto: bfloat16 for small networks on such processors, else float32.",
        rich_help_panel=MODEL,
    ),
]

BatchSize = Annotated[
    int | None,
    typer.Option(
        "--batch-size",
        min=1,
        metavar="N",
        help="Segments per batch; does not change results. Default: 256 on CUDA, else 32.",
        rich_help_panel=MODEL,
    ),
]

Jobs = Annotated[
    int,
    typer.Option("--jobs", "-j", metavar="N", envvar="PCQTOOL_JOBS", help="Parallel jobs; 0: one per core."),
]

Channels = Annotated[
    str,
    typer.Option(
        "--channels",
        metavar="auto|mix|split|N",
        help="auto separates the two speakers of a call and mixes other recordings; N is one channel, from 0.",
        autocompletion=completion.channels,
        rich_help_panel=AUDIO,
    ),
]

Vad = Annotated[
    Literal["on", "off"],
    typer.Option("--vad", help="Detect speech, and skip segments of silence and noise.", rich_help_panel=AUDIO),
]

MaxDuration = Annotated[
    float,
    typer.Option(
        "--max-duration",
        metavar="TIME",
        parser=durations.duration_s,
        show_default=False,
        help=f"Longer recordings fail: 90m, 24h, 7d. Default: {durations.duration_text(MAX_DURATION_S)}.",
        rich_help_panel=AUDIO,
    ),
]

MaxChannels = Annotated[
    int,
    typer.Option(
        "--max-channels", min=1, metavar="N", help="Recordings with more channels fail.", rich_help_panel=AUDIO
    ),
]

Since = Annotated[
    float | None,
    typer.Option(
        "--since",
        metavar="WHEN",
        parser=durations.timestamp_s,
        help="Only inputs that changed since then: 36h, 7d, 2026-01-31, 2026-01-31T18:00.",
        rich_help_panel=EARLIER,
    ),
]

Restart = Annotated[
    bool,
    typer.Option("--restart", help="Replace earlier results instead of resuming.", rich_help_panel=EARLIER),
]

RetryFailed = Annotated[
    bool,
    typer.Option("--retry-failed", help="Process inputs again that failed in earlier runs.", rich_help_panel=EARLIER),
]

TableRoot = Annotated[
    Path | None,
    typer.Option(
        "--root",
        metavar="DIR",
        help="Folder that names in the tables are relative to. Default: the table's; in a new table, of all inputs.",
        rich_help_panel=EARLIER,
    ),
]

Moved = Annotated[
    bool,
    typer.Option(
        "--moved", help="All recordings of the table have moved: they are now below --root.", rich_help_panel=EARLIER
    ),
]

MaxFailures = Annotated[
    int | None,
    typer.Option(
        "--max-failures",
        min=0,
        metavar="N",
        help="Stop with exit code 1 after more failures than this; finished rows are kept.",
        rich_help_panel=FAULTS,
    ),
]

Timeout = Annotated[
    float,
    typer.Option(
        "--timeout",
        metavar="TIME",
        parser=durations.duration_s,
        show_default=False,
        help=f"Longest wait for a decoder; 0 turns isolation off. Default: {durations.duration_text(TIMEOUT_S)}.",
        rich_help_panel=FAULTS,
    ),
]

Shard = Annotated[
    str,
    typer.Option(
        "--shard",
        metavar="I/N",
        help="Process the I-th of N shares of the inputs, into a directory; 'pcqtool merge' joins them.",
        rich_help_panel=MACHINES,
    ),
]

Engine = Annotated[
    Literal["local", "ray"],
    typer.Option(
        "--engine",
        help="ray distributes the work over a Ray cluster (RAY_ADDRESS) with shared folders.",
        rich_help_panel=MACHINES,
    ),
]

Workers = Annotated[
    int,
    typer.Option(
        "--workers",
        min=0,
        metavar="N",
        help="Number of Ray actors. 0: one per GPU, or one per two cores where there is no GPU.",
        rich_help_panel=MACHINES,
    ),
]

CorpusName = Annotated[
    str,
    typer.Option(
        "--corpus",
        metavar="NAME",
        help="Name of a corpus; 'pcqtool corpora list' shows them.",
        autocompletion=completion.corpora,
    ),
]

Corpora = Annotated[
    list[str],
    typer.Option(
        "--corpus",
        metavar="NAME",
        help="Name of a corpus; may be repeated. OWN=NAME gives a corpus another name.",
        autocompletion=completion.corpora,
        rich_help_panel=CORPUS,
    ),
]

Root = Annotated[
    Path | None,
    typer.Option("--root", metavar="DIR", help="Directory of the corpus. Default: its folder in PCQTOOL_CORPORA."),
]

Roots = Annotated[
    list[str] | None,
    typer.Option(
        "--root",
        metavar="DIR|NAME=DIR",
        help="Directory of a corpus. Default: its folder in PCQTOOL_CORPORA.",
        rich_help_panel=CORPUS,
    ),
]

LabelMapFile = Annotated[
    Path | None,
    typer.Option(
        "--map", metavar="FILE.toml", help="Rename or leave out labels of the corpora.", rich_help_panel=CORPUS
    ),
]

CommonClasses = Annotated[
    bool,
    typer.Option(
        "--common-classes", help="Of several corpora, leave out classes that only some have.", rich_help_panel=CORPUS
    ),
]

RecipeName = Annotated[
    str,
    typer.Option(
        "--recipe",
        metavar="NAME|FILE.toml",
        help="Training settings: a name that 'pcqtool recipes list' shows, or a file with the same keys.",
        autocompletion=completion.recipes,
        rich_help_panel=RECIPE,
    ),
]

Encoder = Annotated[
    str | None,
    typer.Option(
        "--encoder",
        metavar="DIR|ID",
        help="Pre-trained encoder instead of the recipe's: a directory, a name in PCQTOOL_ENCODERS, or a Hub id.",
        rich_help_panel=RECIPE,
    ),
]

Teacher = Annotated[
    str | None,
    typer.Option(
        "--teacher",
        metavar="DIR|ID",
        help="Pre-trained encoder that teaches, instead of the recipe's; the model does not contain it.",
        rich_help_panel=RECIPE,
    ),
]

Epochs = Annotated[
    int | None,
    typer.Option(
        "--epochs", min=1, metavar="N", help="Passes over the corpus, instead of the recipe's.", rich_help_panel=RECIPE
    ),
]

Seed = Annotated[
    int | None,
    typer.Option(
        "--seed",
        metavar="N",
        help="Seed of weights, order and augmentation, instead of the recipe's.",
        rich_help_panel=RECIPE,
    ),
]

Seeds = Annotated[
    int,
    typer.Option(
        "--seeds", min=1, metavar="N", help="Train once per seed, starting with --seed.", rich_help_panel=RECIPE
    ),
]
