"""Join the tables of one or more outputs into one table of each kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pcqtool.batch.layout import OutputLayout
from pcqtool.files.atomic import sweep
from pcqtool.tables.paths import Kind, table_path
from pcqtool.tables.provenance import Provenance
from pcqtool.tables.rewrite import TableSlice, join, read_columns, read_schema


def collect(outputs: Sequence[OutputLayout], out: Path, kinds: Sequence[Kind], provenance: Provenance) -> None:
    """Join the tables of outputs of one run into one table of each kind.

    Args:
        outputs: if two of them have rows of the same file, the rows of the last one count.
        out: the file table, which may belong to one of the outputs.
        kinds: the tables beside it.
        provenance: recorded in the joined tables.

    Raises:
        FileError: if the file system refuses.
        TableError: if a part is damaged.
    """
    seen: set[str] = set()
    found = [(output, files) for output in reversed(outputs) for files in _slices(output, seen)]
    files = [files for _, files in found]
    joined = {
        table_path(out, kind): [replace(files, path=output.beside(files.path, kind)) for output, files in found]
        for kind in kinds
    }
    # The file table marks recordings as done, so it is written last.
    for path, tables in (joined | {out: files}).items():
        real = path.resolve()
        sweep(real.parent, real.name)
        join(tables, real, read_schema(tables[0].path), provenance)


def _slices(output: OutputLayout, seen: set[str]) -> list[TableSlice]:
    """Slice an output's file tables so that no two slices share a file: a later table replaces an earlier one.

    Args:
        output: the output.
        seen: files to leave out of all slices, by name and by link target; the slices' own files are added to it.
    """
    slices: list[TableSlice] = []
    for path in reversed(output.tables("files")):
        table = read_columns(path, ["file", "target"])
        names = set(table["file"].to_pylist())
        linked = table.filter(table["target"].is_valid())
        targets = dict(zip(linked["file"].to_pylist(), linked["target"].to_pylist(), strict=True))
        # A run that was killed between the final tables has left files in the segment table that the other one lacks.
        without = set(seen) if path == output.out else names & seen
        without |= {file for file, target in targets.items() if target in seen}
        slices.append(TableSlice(path, min(names, default=""), frozenset(without)))
        seen |= names
        seen |= set(targets.values())
    return slices
