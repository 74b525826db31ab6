"""The names of outputs: ``results.parquet`` and ``results.segments.parquet``, or parts in a directory."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal, get_args

SUFFIX = ".parquet"

Kind = Literal["files", "segments"]
"""The two tables of a run; also the names of the folders of their parts."""

KINDS: tuple[Kind, ...] = get_args(Kind)


def at_home(place: str | Path) -> Path:
    """Expand a leading ``~`` or ``~user``, as a shell does: it stays where there is no such user."""
    return Path(os.path.expanduser(place))  # noqa: PTH111 (Path.expanduser raises an error instead)


def is_table_path(out: Path) -> bool:
    """Whether an ``--out`` names a table and not a directory of parts: it ends in ``.parquet`` and is no directory."""
    return out.suffix.lower() == SUFFIX and not out.is_dir()


def table_path(files: Path, kind: Kind) -> Path:
    """Name the table of a kind, given the file table: ``results.parquet`` → ``results.segments.parquet``."""
    return files if kind == "files" else files.with_name(f"{files.stem}.segments{files.suffix}")


def part_path(folder: Path, kind: Kind, index: int, prefix: str = "") -> Path:
    """Name a part in a directory of parts: 12 → ``files/part-00012.parquet``; a shard's parts have a prefix."""
    return folder / kind / f"part-{prefix}{index:05d}{SUFFIX}"


def list_parts(folder: Path, kind: Kind, prefix: str = "") -> list[Path]:
    """List the finished parts of a kind in the order of their numbers; empty if there are none."""
    return sorted((folder / kind).glob(f"part-{prefix}*{SUFFIX}"), key=lambda path: (len(path.name), path.name))


def list_tables(out: Path, kind: Kind) -> list[Path]:
    """List the Parquet files that hold a kind of rows: the one table, or a directory's parts."""
    return list_parts(out, kind) if out.is_dir() else [table_path(out, kind)]
