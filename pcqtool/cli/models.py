"""``pcqtool models``: list models and kinds of networks, and show a model's details."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pcqtool.cli.common import completion, console, options
from pcqtool.cli.common.program import Program
from pcqtool.errors import ModelError
from pcqtool.json_format import JsonFormat

if TYPE_CHECKING:
    from pcqtool.model.directory import EncoderSearchPath, ModelConfig

LOCAL = ("config.json", "*/config.json", "*/*/config.json")

app = Program(help="List models and show their details.")


@app.command("list", examples="pcqtool models list models/")
def list_models(
    folders: Annotated[
        list[Path] | None,
        typer.Argument(metavar="DIR", help="Directories to search, two levels deep; default: the current one."),
    ] = None,
    encoder_dir: options.EncoderDir = None,
    as_json: options.Json = False,
) -> None:
    """List the bundled models and those in local directories.

    The encoder of a model may be external. The column "encoder" shows whether an encoder of its kind is on this
    machine; 'pcqtool models info' and all commands that use the model verify its hash.
    """
    from pcqtool.model import directory
    from pcqtool.model.encoder_search import search_path

    rows = []
    for path in (*directory.bundled_models(), *_local_models(folders or [Path()])):
        try:
            config = directory.read_config(path)
        except ModelError as error:
            console.debug(f"skipped: {error.what}")  # many other tools write a config.json, too
            continue
        location = "bundled" if path in directory.bundled_models() else str(path)
        encoder = _encoder_text(config, search_path(encoder_dir, download=False))
        rows.append((config.name, list(config.labels), config.trained_on, config.license or None, location, encoder))
    columns = ("name", "labels", "trained_on", "license", "where", "encoder")
    if as_json:
        console.print_json(JsonFormat.MODELS, {"models": [dict(zip(columns, row, strict=True)) for row in rows]})
    else:
        console.print_table(columns, [(name, ", ".join(labels), *rest) for name, labels, *rest in rows])


@app.command("info", examples="pcqtool models info pcq-mini")
def info(
    model: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME|DIR",
            help="A bundled model's name or a directory; default: pcq-mini.",
            autocompletion=completion.models,
        ),
    ] = None,
    encoder_dir: options.EncoderDir = None,
    as_json: options.Json = False,
) -> None:
    """Show a model's scores, labels, network, training data and license.

    Scores on speech that the model was not trained on come first, natural speech before acted. For an external encoder,
    also shows its location and verifies its hash.
    """
    from pcqtool.model import directory
    from pcqtool.model.encoder_search import search_path
    from pcqtool.model.unseen_scores import unseen_scores

    path = directory.find(model)
    config = directory.read_config(path)
    weights = path / directory.WEIGHTS
    metrics = directory.read_metrics(path)
    unseen = unseen_scores(metrics)
    fields = {
        "name": config.name,
        "unseen": [asdict(score) for score in unseen],
        "directory": path,
        "sha256": directory.model_sha256(path),
        "size_bytes": weights.stat().st_size,
        "labels": config.labels,
        "temperature": config.temperature,
        "aggregation": config.aggregation,
        "trained_on": config.trained_on,
        "license": config.license or None,
        "encoder": _verified_encoder(path, config, search_path(encoder_dir, download=False)),
        "network": config.network,
        "plugins": [str(plugin) for plugin in config.plugins],
        "provenance": config.provenance,
        "metrics": metrics,
        "card": path / directory.CARD if (path / directory.CARD).is_file() else None,
    }
    if as_json:
        console.print_json(JsonFormat.MODEL, fields)
    else:
        console.print_fields(dict(_flat(fields | {"unseen": "; ".join(map(str, unseen)) or None})))


@app.command("kinds", examples="pcqtool models kinds")
def list_kinds(as_json: options.Json = False) -> None:
    """List the kinds of networks and encoders that a recipe can name.

    The first column is the table of the recipe that names one as its 'kind'. A plugin that does not load is listed
    with its error.
    """
    from pcqtool.model.registry import ENCODERS, NETWORKS

    tables = (("network", NETWORKS), ("network.encoder", ENCODERS))
    rows = [
        (table, each.name, f"{each.distribution} {each.version}", each.value, each.error)
        for table, registry in tables
        for each in registry.checked()
    ]
    if as_json:
        names = ("table", "kind", "from", "class", "error")
        console.print_json(JsonFormat.KINDS, {"kinds": [dict(zip(names, row, strict=True)) for row in rows]})
        return
    shown = [(table, kind, origin, f"broken: {error}" if error else "ok") for table, kind, origin, _, error in rows]
    console.print_table(("table", "kind", "from", "status"), shown, styles={"ok": "green"})


def _encoder_text(config: ModelConfig, encoders: EncoderSearchPath) -> str | None:
    """Describe where an encoder of the right kind was found; ``None`` for a model without an external encoder."""
    if config.encoder_source is None:
        return None
    try:
        return f"{config.encoder_source.name}, in {next(encoders.candidates(config))}"
    except ModelError:
        return f"{config.encoder_source.name}, missing"


def _verified_encoder(path: Path, config: ModelConfig, encoders: EncoderSearchPath) -> dict[str, Any] | None:
    """Find a model's external encoder and verify the hash of its tensors."""
    from pcqtool.model import directory

    if config.encoder_source is None:
        return None
    fields: dict[str, Any] = {"name": config.encoder_source.name, "sha256": config.encoder_source.sha256}
    try:
        found = directory.locate_encoder(path, encoders)
    except ModelError as error:
        return fields | {"where": None, "problem": error.what, "remedy": error.hint}
    size = (Path(str(found)) / directory.WEIGHTS).stat().st_size
    return fields | {"where": found, "size_bytes": size, "problem": None}


def _local_models(folders: list[Path]) -> Iterator[Path]:
    """Yield the directories with a configuration in or below some folders, each once."""
    found = {path.parent for folder in folders for pattern in LOCAL for path in folder.glob(pattern)}
    yield from sorted(found)


def _flat(entries: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield nested entries under dotted names such as ``provenance.seed``."""
    for name, value in entries.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        elif isinstance(value, list | tuple) and any(isinstance(each, Mapping) for each in value):
            yield f"{prefix}{name}", f"{len(value)} entries, see --json"
        elif isinstance(value, list | tuple):
            yield f"{prefix}{name}", ", ".join(map(str, value))
        elif value is not None:
            yield f"{prefix}{name}", str(value)
