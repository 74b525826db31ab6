"""``pcqtool models``: which models there are, and what is in one of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pcqtool.cli.common import console, options, values
from pcqtool.cli.common.program import Program
from pcqtool.errors import ModelError

if TYPE_CHECKING:
    from pcqtool.model.directory import EncoderSearchPath, ModelConfig

LOCAL = ("config.json", "*/config.json", "*/*/config.json")

app = Program(help="Models to label recordings with: list, look into.")


@app.command("list")
def list_models(
    places: Annotated[
        list[Path] | None,
        typer.Argument(metavar="DIR", help="Where to look for models of your own, two folders deep; else here."),
    ] = None,
    encoder_dir: options.EncoderDir = None,
    as_json: options.Json = False,
) -> None:
    """List the bundled models and those in local directories.

    A model can leave its speech encoder out and name it: the column says whether an encoder of that kind is here. Its
    tensors are compared with the model's hash by 'pcqtool models info' and when it is used.
    """
    from pcqtool.model import directory

    rows = []
    for where in (*directory.bundled_models(), *_local(places or [Path()])):
        try:
            config = directory.read_config(where)
        except ModelError as error:
            console.debug(f"passed over: {error.what}")  # many other tools write a config.json, too
            continue
        bundled = where in directory.bundled_models()
        place = "bundled" if bundled else str(where)
        encoder = _encoder(config, values.places(encoder_dir, download=False))
        rows.append((config.name, list(config.labels), config.trained_on, place, encoder))
    columns = ("name", "labels", "trained_on", "where", "encoder")
    if as_json:
        console.print_json([dict(zip(columns, row, strict=True)) for row in rows])
    else:
        console.print_table(columns, [(name, ", ".join(labels), *rest) for name, labels, *rest in rows])


@app.command("info")
def info(
    model: Annotated[
        str | None, typer.Argument(metavar="NAME|DIR", help="A bundled model's name or a directory; else the default.")
    ] = None,
    encoder_dir: options.EncoderDir = None,
    as_json: options.Json = False,
) -> None:
    """Show a model: labels, front end, what it was trained on, its scores, and where its encoder is."""
    from pcqtool.model import directory

    place = directory.find(model)
    config = directory.read_config(place)
    weights = place / directory.WEIGHTS
    about = {
        "name": config.name,
        "directory": place,
        "sha256": directory.model_sha256(place),
        "size_bytes": weights.stat().st_size,
        "labels": config.labels,
        "temperature": config.temperature,
        "aggregation": config.aggregation,
        "trained_on": config.trained_on,
        "encoder": _found(place, config, values.places(encoder_dir, download=False)),
        "network": config.network,
        "provenance": config.provenance,
        "metrics": directory.read_metrics(place),
        "card": place / directory.CARD if (place / directory.CARD).is_file() else None,
    }
    if as_json:
        console.print_json(about)
    else:
        console.print_fields(dict(_flat(about)))


def _encoder(config: ModelConfig, places: EncoderSearchPath) -> str | None:
    """Say whether there is an encoder that may be the one that a model names; ``None`` if it names none."""
    if config.encoder_source is None:
        return None
    try:
        return f"{config.encoder_source.name}, in {next(places.candidates(config))}"
    except ModelError:
        return f"{config.encoder_source.name}, missing"


def _found(place: Path, config: ModelConfig, places: EncoderSearchPath) -> dict[str, Any] | None:
    """Look for the encoder that a model names, and compare its tensors with the hash."""
    from pcqtool.model import directory

    if config.encoder_source is None:
        return None
    about: dict[str, Any] = {"name": config.encoder_source.name, "sha256": config.encoder_source.sha256}
    try:
        found = directory.locate_encoder(place, places)
    except ModelError as error:
        return about | {"where": None, "problem": error.what, "remedy": error.hint}
    size = (Path(str(found)) / directory.WEIGHTS).stat().st_size
    return about | {"where": found, "size_bytes": size, "problem": None}


def _local(places: list[Path]) -> Iterator[Path]:
    """Directories with a configuration in or below some places, each once."""
    found = {path.parent for place in places for pattern in LOCAL for path in place.glob(pattern)}
    yield from sorted(found)


def _flat(entries: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Nested entries as lines: ``provenance.seed``."""
    for name, value in entries.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        elif isinstance(value, list | tuple) and any(isinstance(each, Mapping) for each in value):
            yield f"{prefix}{name}", f"{len(value)} entries, see --json"
        elif isinstance(value, list | tuple):
            yield f"{prefix}{name}", ", ".join(map(str, value))
        elif value is not None:
            yield f"{prefix}{name}", str(value)
