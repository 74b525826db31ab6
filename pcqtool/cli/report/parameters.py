"""``pcqtool report parameters``: count the weights of each part."""

from __future__ import annotations

from typing import Annotated

import typer

from pcqtool.cli.common import completion, console, options
from pcqtool.json_format import JsonFormat


def parameters(
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            metavar="NAME|DIR",
            help="Count this model's weights instead of those of the paper's network.",
            autocompletion=completion.models,
        ),
    ] = None,
    json: options.Json = False,
) -> None:
    """Count the weights of a network and its parts (Table 3).

    Without --model, counts the paper's network, with WavLM-base and four classes, beside the paper's figures.
    """
    from pcqtool.report.parameters import PAPER_TABLE, count_paper_parameters, count_parameters

    if model is None:
        parts = [*count_paper_parameters(), *PAPER_TABLE]
    else:
        from pcqtool.model.directory import find, read_config
        from pcqtool.model.network_settings import network_config_from_json
        from pcqtool.model.registry import kind_of

        config = read_config(find(model))
        parts = count_parameters(network_config_from_json(config), kind_of(config.network))
    if json:
        console.print_json(JsonFormat.PARAMETERS, {"parts": parts})
        return
    columns = ("part", "weights", "paper") if model is None else ("part", "weights")
    rows = [(part.name, _grouped(part.weights), _millions(part.paper))[: len(columns)] for part in parts]
    console.print_table(columns, rows)


def _grouped(weights: int | None) -> str:
    return "" if weights is None else f"{weights:,}"


def _millions(weights: float | None) -> str:
    return "" if weights is None else f"{weights / 1e6:g} M"
