"""Where a run's tables lie: parts while it works, one table of files and one of segments in the end."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from pcqtool.batch.collect import collect
from pcqtool.batch.earlier import REPLACE, check_continues, check_replaceable, provenance_of, read_stamps
from pcqtool.batch.names import FileSignature, Source, as_text, from_text
from pcqtool.batch.shard import Shard, ShardProgress, read_inputs, read_progress, write_inputs
from pcqtool.batch.summary import TableState
from pcqtool.errors import SettingsError, TableError
from pcqtool.files.atomic import reported, sweep, write_whole
from pcqtool.files.lock import locked
from pcqtool.tables.edit import Piece, drop_files, join, read_columns, read_schema
from pcqtool.tables.paths import (
    Kind,
    all_parts,
    is_restarted,
    is_table_path,
    list_parts,
    part_number,
    part_path,
    parts_before,
    resolved,
    restart_number,
    restart_path,
    table_path,
)
from pcqtool.tables.provenance import Provenance
from pcqtool.tables.writer import appending, write

WRITING: tuple[Kind, Kind] = ("segments", "files")  # the file table is the mark of "done", so it is written last
REMOVING: tuple[Kind, Kind] = ("files", "segments")  # and removed first


class RunOutput:
    """The output of a run.

    Args:
        out: where it goes.
        provenance: what its tables say about their making.
        columns: names of the columns of both tables.
        shard: the share of the inputs that is done here; several shards may share a directory.

    Attributes:
        next_part: number of the part to be written next.
        stale: files that have rows which are to be replaced.

    A path that ends in ``.parquet`` becomes a table, with the segment table beside it; the parts lie in a hidden
    folder beside them until then. Any other path becomes a directory that holds the parts.

    Where a file has rows in several of a table's parts, those of the last one count, and before all those of the table
    itself: so a run that ends at any point, also while tables are joined, leaves what the next one can go on with.
    """

    def __init__(
        self, out: Path, provenance: Provenance, columns: Mapping[Kind, Sequence[str]], shard: Shard | None = None
    ) -> None:
        out = resolved(out)
        self.out = out
        self.provenance = provenance
        self.columns = columns
        self.is_table = is_table_path(out)
        self.folder = out.with_name(f".{out.name}.parts") if self.is_table else out
        self.shard = shard or Shard()
        self.next_part = 0
        self.stale: frozenset[str] = frozenset()
        if self.is_table and self.shard.count > 1:
            raise SettingsError(
                f"{out}: a shard's output is a directory", "Name one with --out; `pcqtool merge` joins them."
            )

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other runs away from this output. The lock of a run that was killed does not hold.

        Raises:
            LockedError: if one is at work on it.
            TableError: if the output's folder cannot be made or written to.
        """
        with lock_output(self.out, self.shard):
            self._check_shards()
            if not self.restarted:  # a restart that has finished nothing is void
                restart_path(self.folder, self.shard.prefix).unlink(missing_ok=True)
            yield

    @property
    def root(self) -> str | None:
        """The absolute folder that names are relative to, as the output notes it; None where nothing was made yet."""
        noted = [progress for progress in ([] if self.is_table else read_progress(self.out)) if progress.root]
        own = [progress.root for progress in noted if progress.shard == self.shard] or [each.root for each in noted]
        roots = own or [provenance_of(path).root for path in self.tables("files")[-1:]]
        return from_text(roots[0]) if roots and roots[0] else None

    def name_from(self, root: str) -> None:
        """Let names be relative to an absolute folder from now on."""
        self.provenance = replace(self.provenance, root=as_text(root))

    def done(self, retry_failed: bool = False) -> dict[str, FileSignature]:
        """Return the inputs that the output holds, with their stamps.

        Args:
            retry_failed: mark all that failed to be done again, not only those that the table tells to.

        Raises:
            TableError: if a table there is not of pcqtool, or was made with other settings, or lacks its sibling.
        """
        for kind in WRITING:
            for path in self.tables(kind):
                check_continues(path, kind, self.provenance, self.columns[kind])
        stamps: dict[str, FileSignature] = {}
        for path in self.tables("files"):
            if not self.segments_of(path).exists():
                raise TableError(f"{self.segments_of(path)} is missing beside {path}", REPLACE)
            stamps |= read_stamps(path, retry_failed)
        return stamps

    def state(self) -> TableState:
        """Count what the finished output holds; of a directory in shards, this shard's share of it."""
        tables = [read_columns(path, ["file", "status", "label", "error", "target"]) for path in self.tables("files")]
        return TableState.of(pa.concat_tables(tables, promote_options="permissive") if tables else None)

    def check_replaceable(self) -> None:
        """Refuse to replace what is not a result of this form.

        Raises:
            TableError: if a table there is not of pcqtool, or not a table of files or segments where one is due.
        """
        for kind in WRITING:
            for path in self.tables(kind):
                check_replaceable(path, kind)

    def restart(self) -> None:
        """Begin anew: what earlier runs made counts until a part of this run is finished, and stays until all are.

        Raises:
            TableError: if a table there is not of pcqtool, or the file system refuses.
        """
        self.check_replaceable()
        mark = restart_path(self.folder, self.shard.prefix)
        sweep(mark.parent, mark.name)
        write_whole(mark, str(self._first_free()).encode())

    def prepare(self, stale: frozenset[str] = frozenset()) -> None:
        """Make ready to take parts: see that they can be written, and clear away what a killed run left half-done.

        Args:
            stale: files whose rows are to be replaced, once the new ones are there.

        Raises:
            TableError: if the file system refuses.
        """
        for kind in WRITING:
            folder = self.folder / kind
            with reported(self.out):
                folder.mkdir(parents=True, exist_ok=True)
                tempfile.TemporaryFile(dir=folder).close()
            sweep(folder, prefix=self.shard.prefix and f"part-{self.shard.prefix}")
        marks = self._parts("files")
        for path in set(self._parts("segments")) - {self.segments_of(mark) for mark in marks}:
            path.unlink()
        self.next_part = self._first_free()
        self.stale = stale
        self._drop_replaced()

    def note_inputs(self, sources: Sequence[Source]) -> None:
        """Note that a run has begun, and what it was given: `merge` asks for all of it.

        Args:
            sources: all recordings, also those that other shards do.

        Raises:
            TableError: if the file system refuses.
        """
        if not self.is_table:
            ShardProgress(self.shard, root=self.provenance.root).write(self.out)
        write_inputs(self.folder, self.shard, sources)

    def check_restart(self, files: Collection[str]) -> None:
        """Refuse to go on with a restart that is not finished, without what it was given: old rows would be lost.

        Args:
            files: names that this run does, or that are done.

        Raises:
            TableError: if one that the restart was given is not among them.
        """
        given = read_inputs(self.folder, self.shard) if self.restarted else {}
        lacking = sorted(name for name in given.keys() - set(files) if self.shard.has(name))
        if lacking:
            raise TableError(
                f"{self.out}: a run with --restart is not finished; it lacks {len(lacking)} recordings: {lacking[0]}…",
                f"Run it again with the same inputs, with or without --restart; or remove the folder {self.folder} to "
                "keep the old rows."
                if self.is_table
                else "Run it again with the same inputs, with or without --restart.",
            )

    def add_segments(self, schema: pa.Schema, tables: Iterable[pa.Table]) -> None:
        """Write the segments of a part, a table after the other, in their order.

        Raises:
            TableError: if the file system refuses.
        """
        with appending(self._part("segments"), schema, self.provenance) as rows:
            for table in tables:
                rows.append(table)

    def add_files(self, files: pa.Table, void: Collection[str] = ()) -> None:
        """Write the file table of a part, which marks the part as done.

        Args:
            files: the table.
            void: files that are to have no rows in the segment table, although some were written.

        Raises:
            TableError: if the file system refuses.
        """
        if void:
            path = self._part("segments")
            join([Piece(path, without=frozenset(void))], path, read_schema(path), self.provenance)
        write(self._part("files"), files, self.provenance)
        if not self.stale.isdisjoint(files["file"].to_pylist()):
            self._drop_replaced()
        self.next_part += 1

    def finish(self, whole: bool = True) -> None:
        """Make the one table of each kind, if that is what the output is, and remove the parts; else note the end.

        Args:
            whole: whether all that was planned is done.

        Raises:
            TableError: if a part is damaged or the file system refuses.
        """
        if not self.is_table:
            self._drop_replaced()
            if whole:
                self._remove_replaced()
            ShardProgress(self.shard, len(self._parts("files")), whole, self.provenance.root).write(self.out)
            return
        restarting = self.restarted
        if restarting and not whole:
            return
        if self._parts("files") or (self.out.exists() and provenance_of(self.out).root != self.provenance.root):
            collect([self], self.out)
        self.remove_parts()

    def remove_parts(self) -> None:
        """Remove the parts of a table, which hold nothing that it has not."""
        restart_path(self.folder).unlink(missing_ok=True)  # before the parts: they alone are what was restarted
        for kind in REMOVING:
            shutil.rmtree(self.folder / kind, ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _remove_replaced(self) -> None:
        """Remove the parts that a restart has replaced."""
        prefix = self.shard.prefix
        first = restart_number(self.folder, prefix) or 0
        with reported(self.out):
            for kind in REMOVING:
                for path in parts_before(self.folder, kind, first, prefix):
                    path.unlink()
            restart_path(self.folder, prefix).unlink(missing_ok=True)

    @property
    def restarted(self) -> bool:
        """Whether a restart has finished parts, which count instead of all that was there before."""
        return is_restarted(self.folder, self.shard.prefix)

    def _first_free(self) -> int:
        numbers = [part_number(path, self.shard.prefix) for path in all_parts(self.folder, "files", self.shard.prefix)]
        return max((number + 1 for number in numbers if number is not None), default=0)

    def _drop_replaced(self) -> None:
        """Drop rows of recordings that later parts have from a directory's parts; a table's are joined in the end."""
        seen: set[str] = set()
        for path in reversed(self._parts("files")) if not self.is_table else ():
            names = set(read_columns(path, ["file"])["file"].to_pylist())
            if old := names & seen:
                drop_files(self.segments_of(path), old, self.provenance)
                drop_files(path, old, self.provenance)  # the mark last: until then the next run finds them
            seen |= names

    def tables(self, kind: Kind) -> list[Path]:
        """List the tables of a kind that are there, oldest first: the final one, then parts."""
        final = [table_path(self.out, kind)] if self.is_table and not self.restarted else []
        return [path for path in final if path.exists()] + self._parts(kind)

    def _parts(self, kind: Kind) -> list[Path]:
        return list_parts(self.folder, kind, self.shard.prefix)

    def _part(self, kind: Kind) -> Path:
        """Name the part that is being done."""
        return part_path(self.folder, kind, self.next_part, self.shard.prefix)

    def segments_of(self, files: Path) -> Path:
        """Name the segment table that belongs to a file table."""
        return table_path(files, "segments") if files == self.out else self.folder / "segments" / files.name

    def _check_shards(self) -> None:
        """Refuse a directory in which a run of another number of shards has begun: both would do the same files."""
        others = {progress.shard.count for progress in read_progress(self.out)} - {self.shard.count}
        if not self.is_table and others:
            raise TableError(
                f"{self.out}: holds a run in {min(others)} shards, not in {self.shard.count}", "Name another --out."
            )


def lock_output(out: Path, shard: Shard) -> AbstractContextManager[None]:
    """Lock an output, or a shard's share of a directory.

    Raises:
        LockedError: if another run holds it.
        TableError: if the output's folder cannot be made or written to.
    """
    real = out.resolve()
    path = real.with_name(f".{real.name}.lock") if is_table_path(out) else real / f".{shard.prefix}lock"
    return locked(path, f"{out}: another run is writing to it", "Wait for it, or name another --out.")
