"""Directories of parts joined into the two tables, once nothing is missing in them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path

from pcqtool.batch.collect import collect
from pcqtool.batch.names import from_text
from pcqtool.batch.output import RunOutput, lock_output
from pcqtool.batch.shard import Shard, ShardProgress, read_inputs, read_progress
from pcqtool.errors import SettingsError, TableError
from pcqtool.tables.edit import read_columns, read_schema
from pcqtool.tables.paths import KINDS, is_table_path, list_parts
from pcqtool.tables.provenance import common_provenance

SHOWN = 3


def merge(directories: Sequence[Path], out: Path) -> int:
    """Join what finished runs have left in directories of parts into the two tables.

    A table that is there already keeps its rows; of recordings that the parts hold too, the parts' rows count.

    Args:
        directories: the ``--out`` directory of a run, or those of all its shards.
        out: the file table; the segment table is written beside it.

    Returns:
        The number of parts.

    Raises:
        SettingsError: if ``out`` is no table's name.
        LockedError: if a run is writing to one of them.
        TableError: if anything is missing, or ``out`` holds what does not fit.
    """
    if not is_table_path(out):
        raise SettingsError(f"--out {out}: not a file that ends in .parquet")
    directories = list({directory.resolve(): directory for directory in directories}.values())
    with ExitStack() as locks:
        locks.enter_context(lock_output(out, Shard()))
        for directory in directories:
            shards = [progress.shard for progress in _begun(directory)]
            for shard in shards if os.access(directory, os.W_OK) else ():  # nobody writes to an archive
                locks.enter_context(lock_output(directory, shard))
        return _merge(directories, out)


def _merge(directories: Sequence[Path], out: Path) -> int:
    parts = [path for directory in directories for path in list_parts(directory, "files")]
    if not parts:
        raise TableError(f"{directories[0]}: no part in {directories[0] / 'files'}", "Name a run's --out directory.")
    provenance = common_provenance(parts)
    columns = {kind: read_schema(parts[0].parents[1] / kind / parts[0].name).names for kind in KINDS}
    check_whole(directories)
    stores = [RunOutput(directory, provenance, columns) for directory in directories]
    target = RunOutput(out, provenance, columns)
    root = stores[0].root
    if root is not None:
        target.name_from(root)
    _check_target(target, root)
    collect([target, *stores], out, target.provenance)
    target.remove_parts()  # those of a run that was killed have been taken along
    return len(parts)


def _begun(directory: Path) -> list[ShardProgress]:
    progress = read_progress(directory)
    if not progress:
        raise TableError(f"{directory}: no run has been finished there", "Run the same command again, then merge.")
    return progress


def _check_target(target: RunOutput, root: str | None) -> None:
    """Refuse a table that cannot take the parts' rows beside its own."""
    away = "Name another --out, or move it away."
    if target.restarted:
        raise TableError(f"{target.out}: a run with --restart is not finished", "Run it again, without --restart.")
    try:
        rows = target.done()
    except TableError as fault:  # a foreign table, or another run's
        raise TableError(fault.what, away) from fault
    if rows and target.root != root:
        raise TableError(
            f"{target.out} names its recordings from {target.root}, the parts name theirs from {root}",
            f"Its {len(rows)} recordings would be lost. {away}",
        )


def check_whole(directories: Sequence[Path]) -> None:
    """Refuse outputs in which anything is missing.

    Raises:
        TableError: naming the shard that is missing, unfinished or there twice, the directory that lacks parts, or
            the recordings that a shard was given and no shard has done.
    """
    found: dict[Shard, Path] = {}
    for directory in directories:
        for progress in _begun(directory):
            _check_finished(directory, progress)
            if progress.shard in found:
                raise TableError(
                    f"shard {progress.shard} is in {found[progress.shard]} and in {directory}"
                    if progress.shard.count > 1
                    else f"{found[progress.shard]} and {directory} are of different runs, not shards of one",
                    "Merge each into a table of its own, or label all with one --out.",
                )
            found[progress.shard] = directory
    counts = {shard.count for shard in found}
    if len(counts) > 1:
        raise TableError(f"these are of different runs: in {' and in '.join(map(str, sorted(counts)))} shards")
    missing = [str(shard) for n in counts for number in range(n) if (shard := Shard(n, number + 1)) not in found]
    if missing:
        raise TableError(
            f"missing: shard {', '.join(missing)}", "Run them with --shard, and name all their directories."
        )
    _check_inputs(found)


def _check_inputs(shards: dict[Shard, Path]) -> None:
    """Refuse shards that were given recordings which none of them has done: given later, or under other names."""
    roots = {from_text(each.root) for folder in set(shards.values()) for each in read_progress(folder) if each.root}
    given: dict[str, tuple[str, str]] = {}
    for shard, directory in shards.items():
        own = read_inputs(directory, shard)
        other = next((name for name in sorted(own) if given.get(name, own[name]) != own[name]), None)
        if other is not None and len(roots) > 1:
            raise TableError(
                f"{other} is one recording below {min(roots)} and another below {max(roots)}",
                "Give all shards the same recordings, or one --out directory.",
            )
        given |= own
    done: set[str] = set()
    for directory in dict.fromkeys(shards.values()):
        for part in list_parts(directory, "files"):
            done.update(read_columns(part, ["file"])["file"].to_pylist())
    lacking = sorted(given.keys() - done)
    if not lacking:
        return
    late = sorted({shard for shard in shards if any(shard.has(name) for name in lacking)})
    raise TableError(
        f"missing: {len(lacking)} of {len(given)} recordings, as {_some(lacking)}",
        f"The shards were given other inputs{_from(roots)}. Run again with the same ones: "
        f"shard {', '.join(map(str, late))}."
        if len(shards) > 1
        else "Run the same command again, then merge.",
    )


def _from(roots: Iterable[str]) -> str:
    several = sorted(roots)
    return f" (names are from {' and from '.join(several)})" if len(several) > 1 else ""


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (", …" if len(names) > SHOWN else "")


def _check_finished(directory: Path, progress: ShardProgress) -> None:
    prefix = progress.shard.prefix
    which = f"{directory}: shard {progress.shard}" if prefix else f"{directory}: the run"
    if not progress.finished:
        raise TableError(f"{which} is not finished", "Run the same command again: it goes on where it stopped.")
    marks, segments = ({path.name for path in list_parts(directory, kind, prefix)} for kind in KINDS)
    if len(marks) != progress.n_parts or marks != segments:
        lacking = f"{len(marks & segments)} of its {progress.n_parts} parts are there"
        raise TableError(f"{which} has a hole: {lacking}", "Copy all of them, or run the same command again.")
