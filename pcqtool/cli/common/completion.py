"""Completion of values in the shell: names of models, corpora, recipes and protocols.

Each function takes the typed beginning and returns matching values. Names are looked up at that time.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import typer

_MAX_NAMES = 200  # more names do not help in a shell
_MAX_ROWS = 10 * _MAX_NAMES  # a recording has a row for each channel and speaker


def models(incomplete: str) -> list[str]:
    """Complete the name of a bundled model."""
    from pcqtool.model.directory import bundled_models

    return _matching(incomplete, (path.name for path in bundled_models()))


def corpora(incomplete: str) -> list[str]:
    """Complete the name of a corpus."""
    from pcqtool.corpora.registry import names

    return _matching(incomplete, names())


def recipes(incomplete: str) -> list[str]:
    """Complete the name of a recipe inside the package."""
    from pcqtool.training.recipe import bundled_recipes

    return _matching(incomplete, bundled_recipes())


def protocols(incomplete: str) -> list[str]:
    """Complete the name of an evaluation protocol."""
    from pcqtool.splits import PROTOCOL_NAMES

    return _matching(incomplete, PROTOCOL_NAMES)


def export_formats(incomplete: str) -> list[str]:
    """Complete the name of a format that results can be exported to."""
    from pcqtool.exports.registry import FORMATS

    return _matching(incomplete, FORMATS)


def labels(incomplete: str) -> list[str]:
    """Complete the name of an emotion."""
    from pcqtool.labels import VOCABULARY

    return _matching(incomplete, VOCABULARY)


def recordings(ctx: typer.Context, incomplete: str) -> list[str]:
    """Complete the name of a recording in the table that has been typed; nothing if it cannot be read."""
    import polars as pl

    from pcqtool.tables.reader import scan_files

    try:
        names = scan_files(Path(ctx.params["result"])).select("file")
        found = names.filter(pl.col("file").str.starts_with(incomplete)).head(_MAX_ROWS).collect()
    except Exception:
        return []
    return sorted(set(found["file"].to_list()))[:_MAX_NAMES]


def commands(ctx: typer.Context, incomplete: str) -> list[str]:
    """Complete the name of a command, after those that have been typed."""
    group: Any = ctx.find_root().command
    for name in ctx.params.get("command") or ():
        group = getattr(group, "commands", {}).get(name)
    return _matching(incomplete, getattr(group, "commands", {}))


def channels(incomplete: str) -> list[str]:
    """Complete a way to choose channels."""
    return _matching(incomplete, ("auto", "mix", "split", "0", "1"))


def devices(incomplete: str) -> list[str]:
    """Complete the name of a device."""
    return _matching(incomplete, ("auto", "cpu", "cuda", "cuda:all", "mps"))


def _matching(incomplete: str, names: Iterable[str]) -> list[str]:
    return sorted(name for name in names if name.startswith(incomplete))
