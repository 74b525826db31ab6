"""What outputs hold, joined into one table of each kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pcqtool.files.atomic import sweep
from pcqtool.tables.edit import Piece, join, read_columns, read_schema
from pcqtool.tables.paths import table_path

if TYPE_CHECKING:
    from pcqtool.batch.output import RunOutput


def collect(stores: Sequence[RunOutput], out: Path) -> None:
    """Join what the stores of one run hold into one table of each kind.

    Args:
        stores: where two of them have rows of a file, those of the last one count.
        out: the file table, which may be a store's own.

    Raises:
        TableError: if a part is damaged or the file system refuses.
    """
    seen: set[str] = set()
    found = [(store, piece) for store in reversed(stores) for piece in _pieces(store, seen)]
    files = [piece for _, piece in found]
    segments = [replace(piece, path=store.segments_of(piece.path)) for store, piece in found]
    # The file table is the mark of "done", so it is written last.
    for path, tables in ((table_path(out, "segments"), segments), (out, files)):
        real = path.resolve()
        sweep(real.parent, real.name)
        join(tables, real, read_schema(tables[0].path), stores[0].provenance)


def _pieces(store: RunOutput, seen: set[str]) -> list[Piece]:
    """Make pieces of a store's file tables that share no file: what a later one has, an earlier one goes without.

    Args:
        store: the output.
        seen: files that all of them go without, under their names and those of what they link to; those of the pieces
            are added to it.
    """
    pieces: list[Piece] = []
    for path in reversed(store.tables("files")):
        table = read_columns(path, ["file", "target"])
        names = set(table["file"].to_pylist())
        linked = table.filter(table["target"].is_valid())
        targets = dict(zip(linked["file"].to_pylist(), linked["target"].to_pylist(), strict=True))
        # A run that was killed between the two final tables has left more in the segments than the files tell.
        without = set(seen) if path == store.out else names & seen
        without |= {file for file, target in targets.items() if target in seen}
        pieces.append(Piece(path, min(names, default=""), frozenset(without)))
        seen |= names
        seen |= set(targets.values())
    return pieces
