"""Paths of outputs: ``results.parquet`` with other tables beside it, or parts in a directory."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal, get_args

from pcqtool.errors import SettingsError, TableError

SUFFIX = ".parquet"
SHARDS = "shards"
"""Name of the folder beside the parts that records progress, inputs and restarts of runs."""

OTHER_FORMATS = {".arrow", ".csv", ".db", ".eaf", ".feather", ".gz", ".html", ".json", ".jsonl", ".md", ".ods"}
OTHER_FORMATS |= {".parq", ".pickle", ".pkl", ".pq", ".rttm", ".srt", ".textgrid", ".tsv", ".txt", ".vtt", ".xls"}
OTHER_FORMATS |= {".xlsx", ".xml", ".zip"}
"""Suffixes that an output cannot have; with any other suffix than ``.parquet``, it is a directory."""

Kind = Literal["files", "segments", "events"]
"""The tables of a run; also the folder names of their parts."""

KINDS: tuple[Kind, ...] = get_args(Kind)

BESIDE: tuple[Kind, ...] = KINDS[1:]
"""The tables beside the file table; not every task makes events."""


def is_table_path(out: Path) -> bool:
    """Whether an ``--out`` is a table and not a directory of parts: it ends in ``.parquet`` and is not a directory.

    Raises:
        SettingsError: if it has the suffix of another file format, or is the name of a table beside the file table.
    """
    if out.is_dir():
        return False
    suffix = out.suffix.lower()
    if suffix in OTHER_FORMATS:
        raise SettingsError(
            f"{out}: results are written as Parquet", f"Name {out.with_suffix(SUFFIX)}, or a directory."
        )
    for kind in BESIDE:
        if suffix == SUFFIX and out.stem.lower().endswith(f".{kind}"):
            raise SettingsError(
                f"{out}: this is the name of a table of {kind}, which is written beside the file table",
                f"Name {out.with_name(out.stem[: -len(kind) - 1] + out.suffix)}.",
            )
    return suffix == SUFFIX


def resolved(out: Path) -> Path:
    """Resolve an ``--out`` that is a symbolic link: the other table and the parts are located beside its target.

    Raises:
        SettingsError: if the link has the name of a table and its target does not.
    """
    if not out.is_symlink():
        return out
    real = Path(os.path.realpath(out))
    if is_table_path(out) and not is_table_path(real):
        raise SettingsError(f"{out} links to {real}, which does not end in {SUFFIX}", "Name another --out.")
    return real


def table_path(files: Path, kind: Kind) -> Path:
    """Return the path of a table, given that of the file table: ``results.parquet`` → ``results.segments.parquet``."""
    return files if kind == "files" else files.with_name(f"{files.stem}.{kind}{files.suffix}")


def profile_path(files: Path) -> Path:
    """Return the path of the profile that is kept beside a file table."""
    return files.with_name(f"{files.name}.profile")


def part_path(folder: Path, kind: Kind, index: int, prefix: str = "") -> Path:
    """Return the path of a part: 12 → ``files/part-00012.parquet``; a shard's parts have a prefix."""
    return folder / kind / f"part-{prefix}{index:05d}{SUFFIX}"


def part_number(part: Path, prefix: str = "") -> int | None:
    """Return the number of a part; None if it is not one of this prefix."""
    digits = part.stem.removeprefix(f"part-{prefix}")
    return int(digits) if digits.isdecimal() else None


def list_parts(folder: Path, kind: Kind, prefix: str = "") -> list[Path]:
    """List the finished parts of a kind in the order of their numbers, without those that a restart has replaced."""
    replaced = _replaced_parts(folder, kind, prefix)
    return [path for path in all_parts(folder, kind, prefix) if path not in replaced]


def all_parts(folder: Path, kind: Kind, prefix: str = "") -> list[Path]:
    """List the finished parts of a kind, including those that a restart has replaced."""
    return sorted((folder / kind).glob(f"part-{prefix}*{SUFFIX}"), key=lambda path: (len(path.name), path.name))


def restart_path(folder: Path, prefix: str = "") -> Path:
    """Return the path of a restart's mark, which contains the number of the restart's first part."""
    return folder / SHARDS / f"{prefix}restart"


def restart_number(folder: Path, prefix: str = "") -> int | None:
    """Return the number of a restart's first part; None without a restart.

    Raises:
        TableError: if its mark is damaged.
    """
    mark = restart_path(folder, prefix)
    try:
        return int(mark.read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as fault:
        raise TableError(f"{mark}: cannot be read ({fault})", "Remove it, and run with --restart again.") from fault


def is_restarted(folder: Path, prefix: str = "") -> bool:
    """Whether a restart has finished a part, so that earlier parts do not count."""
    first = restart_number(folder, prefix)
    if first is None:  # before the parts are listed, which takes long with many
        return False
    numbers = (part_number(path, prefix) for path in all_parts(folder, "files", prefix))
    return any(number is not None and number >= first for number in numbers)


def parts_before(folder: Path, kind: Kind, number: int, prefix: str = "") -> list[Path]:
    """List the parts of a prefix with lower numbers."""
    numbered = ((part_number(path, prefix), path) for path in all_parts(folder, kind, prefix))
    return [path for each, path in numbered if each is not None and each < number]


def _replaced_parts(folder: Path, kind: Kind, prefix: str) -> set[Path]:
    """List the parts that a restart has replaced: those before its first part, once that is finished."""
    prefixes = [mark.name.removesuffix("restart") for mark in (folder / SHARDS).glob(f"{prefix}*restart")]
    return {
        path
        for each in prefixes
        if is_restarted(folder, each)
        for path in parts_before(folder, kind, restart_number(folder, each) or 0, each)
    }


def list_tables(out: Path, kind: Kind) -> list[Path]:
    """List the Parquet files with a kind of rows: the single table, or a directory's parts."""
    return list_parts(out, kind) if out.is_dir() else [table_path(out, kind)]
