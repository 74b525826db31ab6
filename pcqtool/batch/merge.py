"""Merge directories of parts into one table of each kind, after a check that nothing is missing."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from pcqtool.batch.collect import collect
from pcqtool.batch.kept_profiles import KeptProfiles
from pcqtool.batch.layout import OutputLayout
from pcqtool.batch.names import unescape_path
from pcqtool.batch.output import RunOutput, lock_output
from pcqtool.batch.shard import Shard, ShardProgress, read_inputs, read_progress
from pcqtool.errors import ProfileError, SettingsError, TableError
from pcqtool.model.profile_file import OFF, BatchProfile
from pcqtool.tables.paths import BESIDE, KINDS, is_table_path, list_parts
from pcqtool.tables.provenance import Provenance, common_provenance, read_provenance
from pcqtool.tables.rewrite import read_columns, read_schema

SHOWN_NAMES = 3


def merge(directories: Sequence[Path], out: Path) -> int:
    """Join the parts of finished runs into one table of each kind.

    An existing table keeps its rows; if a part has rows of the same recording, the part's rows count.

    Args:
        directories: the ``--out`` directory of a run, or the directories of all its shards.
        out: the file table; the other tables are written beside it.

    Returns:
        The number of parts.

    Raises:
        FileError: if the file system refuses.
        LockedError: if a run is writing to one of the directories, or to ``out``.
        SettingsError: if ``out`` is not the name of a table.
        TableError: if anything is missing, or the table at ``out`` does not fit.
    """
    if not is_table_path(out):
        raise SettingsError(f"--out {out}: not a file that ends in .parquet")
    directories = list({directory.resolve(): directory for directory in directories}.values())
    with ExitStack() as locks:
        locks.enter_context(lock_output(out, Shard()))
        for directory in directories:
            shards = [progress.shard for progress in _progress_of(directory)]
            for shard in shards if os.access(directory, os.W_OK) else ():  # nobody writes to a read-only archive
                locks.enter_context(lock_output(directory, shard))
        return _merge(directories, out)


def _merge(directories: Sequence[Path], out: Path) -> int:
    parts = [path for directory in directories for path in list_parts(directory, "files")]
    if not parts:
        raise TableError(f"{directories[0]}: no finished part in it", "Name a run's --out directory.")
    provenance = _common_provenance(parts)
    tables = {kind: parts[0].parents[1] / kind / parts[0].name for kind in KINDS}
    columns = {kind: read_schema(path).names for kind, path in tables.items() if kind == "files" or path.exists()}
    check_complete(directories)
    profile = _find_profile(directories, provenance)
    outputs = [RunOutput(directory, provenance, columns) for directory in directories]
    target = RunOutput(out, provenance, columns)
    root = outputs[0].root
    if root is not None:
        target.name_from(root)
    _check_target(target, root)
    collect([target, *outputs], out, target.kinds[1:], target.provenance)
    if profile is not None:
        target.kept_profiles.finish(profile)
    target.remove_parts()  # parts of a killed run were joined as well
    return len(parts)


def _common_provenance(parts: Sequence[Path]) -> Provenance:
    """Return the provenance of parts with the same settings; shards that each measured a profile need one for all."""
    try:
        return common_provenance(parts)
    except TableError:
        if len({read_provenance(path).settings.get("profile") for path in parts}) > 1:
            raise TableError(
                f"{parts[0].parents[1]} and other shards have different profiles",
                "Measure one with `pcqtool profile`, and label each shard with --profile FILE.",
            ) from None
        raise


def _find_profile(directories: Sequence[Path], provenance: Provenance) -> BatchProfile | None:
    """Return the profile of the parts, which one of several directories may have alone."""
    digest = provenance.settings.get("profile")
    if digest in (None, OFF):
        return None
    *others, last = (KeptProfiles(OutputLayout(directory)) for directory in directories)
    for kept in others:
        with suppress(ProfileError):
            return kept.find(str(digest))
    return last.find(str(digest))


def _progress_of(directory: Path) -> list[ShardProgress]:
    progress = read_progress(directory)
    if not progress:
        raise TableError(f"{directory}: no finished run in it", "Run the same command again, then merge.")
    return progress


def _check_target(target: RunOutput, root: str | None) -> None:
    """Refuse a table that cannot be joined with the parts."""
    away = "Name another --out, or move it away."
    if target.restarted:
        raise TableError(f"{target.out}: a run with --restart is not finished", "Run it again, without --restart.")
    try:
        rows = target.done()
    except TableError as fault:  # a table of another program, or of another run
        raise TableError(fault.what, away) from fault
    if rows and target.root != root:
        raise TableError(
            f"{target.out} names its recordings relative to {target.root}, the parts relative to {root}",
            f"Its {len(rows)} recordings would be lost. {away}",
        )


def check_complete(directories: Sequence[Path]) -> None:
    """Refuse outputs in which anything is missing.

    Raises:
        TableError: if a shard is missing, unfinished or present twice; if parts are missing; or if no shard has
            processed an input.
    """
    found: dict[Shard, Path] = {}
    for directory in directories:
        for progress in _progress_of(directory):
            _check_finished(directory, progress)
            if progress.shard in found:
                raise TableError(
                    f"shard {progress.shard} is in {found[progress.shard]} and in {directory}"
                    if progress.shard.count > 1
                    else f"{found[progress.shard]} and {directory} belong to different runs, not to shards of one run",
                    "Merge each into a separate table, or label all with the same --out.",
                )
            found[progress.shard] = directory
    counts = {shard.count for shard in found}
    if len(counts) > 1:
        raise TableError(f"these belong to different runs: with {' and with '.join(map(str, sorted(counts)))} shards")
    missing = [str(shard) for n in counts for number in range(n) if (shard := Shard(n, number + 1)) not in found]
    if missing:
        raise TableError(
            f"missing: shard {', '.join(missing)}", "Run them with --shard, and name all their directories."
        )
    _check_inputs(found)


def _check_inputs(shards: dict[Shard, Path]) -> None:
    """Refuse shards if none of them has processed an input: one that was added later, or had another name."""
    roots = {unescape_path(each.root) for folder in set(shards.values()) for each in read_progress(folder) if each.root}
    inputs: dict[str, tuple[str, str]] = {}
    for shard, directory in shards.items():
        own = read_inputs(directory, shard)
        other = next((name for name in sorted(own) if inputs.get(name, own[name]) != own[name]), None)
        if other is not None and len(roots) > 1:
            raise TableError(
                f"{other} is a different recording below {min(roots)} than below {max(roots)}",
                "Run all shards with the same recordings, or with the same --out directory.",
            )
        inputs |= own
    done: set[str] = set()
    for directory in dict.fromkeys(shards.values()):
        for part in list_parts(directory, "files"):
            done.update(read_columns(part, ["file"])["file"].to_pylist())
    lacking = sorted(inputs.keys() - done)
    if not lacking:
        return
    late = sorted({shard for shard in shards if any(shard.has(name) for name in lacking)})
    raise TableError(
        f"missing: {len(lacking)} of {len(inputs)} recordings, such as {_some(lacking)}",
        f"The shards had different inputs{_from(roots)}. Run again with the same inputs: "
        f"shard {', '.join(map(str, late))}."
        if len(shards) > 1
        else "Run the same command again, then merge.",
    )


def _from(roots: Iterable[str]) -> str:
    folders = sorted(roots)
    return f" (names are relative to {' and to '.join(folders)})" if len(folders) > 1 else ""


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN_NAMES]) + (", …" if len(names) > SHOWN_NAMES else "")


def _check_finished(directory: Path, progress: ShardProgress) -> None:
    prefix = progress.shard.prefix
    which = f"{directory}: shard {progress.shard}" if prefix else f"{directory}: the run"
    if not progress.finished:
        raise TableError(f"{which} is not finished", "Run the same command again: it continues where it stopped.")
    marks, *others = ({path.name for path in list_parts(directory, kind, prefix)} for kind in KINDS)
    others = [names for kind, names in zip(BESIDE, others, strict=True) if (directory / kind).exists()]
    if len(marks) != progress.n_parts or any(names != marks for names in others):
        lacking = f"it has {len(marks.intersection(*others))} of {progress.n_parts}"
        raise TableError(f"{which} lacks parts: {lacking}", "Copy all parts, or run the same command again.")
