"""``pcqtool models``: which models there are, and what is in one of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from pcqtool.cli import console, options
from pcqtool.cli.program import Program
from pcqtool.errors import ModelError

LOCAL = ("config.json", "*/config.json", "*/*/config.json")

app = Program(help="Models to label recordings with: list, look into.")


@app.command("list")
def list_models(
    places: Annotated[
        list[Path] | None,
        typer.Argument(metavar="DIR", help="Where to look for models of your own, two folders deep; else here."),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """List the bundled models and those in local directories."""
    from pcqtool.model import directory

    rows = []
    for where in (*directory.available(), *_local(places or [Path()])):
        try:
            config = directory.read_config(where)
        except ModelError as error:
            console.debug(f"passed over: {error.what}")  # many other tools write a config.json, too
            continue
        bundled = where in directory.available()
        rows.append((config.name, list(config.labels), config.trained_on, "bundled" if bundled else str(where)))
    columns = ("name", "labels", "trained_on", "where")
    if as_json:
        console.print_json([dict(zip(columns, row, strict=True)) for row in rows])
    else:
        console.print_table(columns, [(name, ", ".join(labels), *rest) for name, labels, *rest in rows])


@app.command("info")
def info(
    model: Annotated[
        str | None, typer.Argument(metavar="NAME|DIR", help="A bundled model's name or a directory; else the default.")
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Show a model: labels, front end, what it was trained on, and its scores."""
    from pcqtool.model import directory

    place = directory.find(model)
    config = directory.read_config(place)
    weights = place / directory.WEIGHTS
    about = {
        "name": config.name,
        "directory": place,
        "sha256": directory.sha256(place),
        "size_bytes": weights.stat().st_size,
        "labels": config.labels,
        "temperature": config.temperature,
        "aggregation": config.aggregation,
        "trained_on": config.trained_on,
        "network": config.network,
        "provenance": config.provenance,
        "metrics": _metrics(place / directory.METRICS),
        "card": place / directory.CARD if (place / directory.CARD).is_file() else None,
    }
    if as_json:
        console.print_json(about)
    else:
        console.print_fields(dict(_flat(about)))


def _local(places: list[Path]) -> Iterator[Path]:
    """Directories with a configuration in or below some places, each once."""
    found = {path.parent for place in places for pattern in LOCAL for path in place.glob(pattern)}
    yield from sorted(found)


def _metrics(file: Path) -> Any:
    """The scores; a model works without them."""
    try:
        return json.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ModelError(f"cannot read {file}: {error}", "Is it a complete model directory?") from error


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
