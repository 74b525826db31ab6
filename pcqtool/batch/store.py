"""Where a run's tables lie: parts while it works, one table of files and one of segments in the end."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from filelock import FileLock, Timeout

from pcqtool.batch.plan import RETRY, Stamp
from pcqtool.batch.shard import Progress, Shard, read_progress
from pcqtool.errors import LockedError, SettingsError, TableError
from pcqtool.tables.atomic import reported, sweep
from pcqtool.tables.edit import Piece, drop_files, join, read_columns, read_schema
from pcqtool.tables.paths import Kind, is_table_path, list_parts, part_path, table_path
from pcqtool.tables.provenance import Provenance, read_provenance
from pcqtool.tables.schema import Status
from pcqtool.tables.writer import appending, write

WRITING: tuple[Kind, Kind] = ("segments", "files")  # the file table is the mark of "done", so it is written last
REMOVING: tuple[Kind, Kind] = ("files", "segments")  # and removed first
REPLACE = "Name another --out, or add --restart to replace it."


class Store:
    """The output of a run.

    Args:
        out: where it goes.
        provenance: what its tables say about their making.
        columns: names of the columns of both tables.
        shard: the share of the inputs that is done here; several shards may share a directory.

    Attributes:
        next_part: number of the part to be written next.

    A path that ends in ``.parquet`` becomes a table, with the segment table beside it; the parts lie in a hidden
    folder beside them until then. Any other path becomes a directory that holds the parts.

    Where a file has rows in several of a table's parts, those of the last one count, and before all those of the table
    itself: so a run that ends at any point, also while tables are joined, leaves what the next one can go on with.
    """

    def __init__(
        self, out: Path, provenance: Provenance, columns: Mapping[Kind, Sequence[str]], shard: Shard | None = None
    ) -> None:
        self.out = out
        self.provenance = provenance
        self.columns = columns
        self.is_table = is_table_path(out)
        self.folder = out.with_name(f".{out.name}.parts") if self.is_table else out
        self.shard = shard or Shard()
        self.next_part = 0
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
        path = self.out.with_name(f".{self.out.name}.lock") if self.is_table else self.out / f".{self.shard.prefix}lock"
        with reported(self.out):
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock(path)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                raise LockedError(
                    f"{self.out}: another run is writing to it", "Wait for it, or name another --out."
                ) from None
        try:
            self._check_shards()
            yield
        finally:
            lock.release()

    def done(self, retry_failed: bool = False) -> dict[str, Stamp]:
        """Tell which inputs the output holds, with size and time.

        Args:
            retry_failed: give those that failed a stamp that no file has.

        Raises:
            TableError: if a table there is not of pcqtool, or was made with other settings, or lacks its sibling.
        """
        for kind in WRITING:
            for path in self._tables(kind):
                self._check(path, kind)
        stamps: dict[str, Stamp] = {}
        for path in self._tables("files"):
            if not self.segments_of(path).exists():
                raise TableError(f"{self.segments_of(path)} is missing beside {path}", REPLACE)
            table = read_columns(path, ["file", "size_bytes", "mtime", "status"])
            times = pc.cast(table["mtime"], pa.int64()).to_pylist()
            rows = zip(table["file"].to_pylist(), table["size_bytes"].to_pylist(), times, strict=True)
            stamps |= {file: (size, time) for file, size, time in rows}
            if retry_failed:
                failed = table.filter(pc.equal(pc.cast(table["status"], pa.string()), Status.FAILED))
                stamps |= dict.fromkeys(failed["file"].to_pylist(), RETRY)
        return stamps

    def restart(self) -> None:
        """Forget what earlier runs made.

        Raises:
            TableError: if a table there is not of pcqtool: then nothing is removed.
        """
        there = [path for kind in REMOVING for path in self._tables(kind)]
        for path in there:
            _provenance(path)
        with reported(self.out):
            for path in there:
                path.unlink()

    def prepare(self, stale: frozenset[str] = frozenset()) -> None:
        """Make ready to take parts: see that they can be written, and clear away what a killed run left half-done.

        Args:
            stale: files whose rows are to be replaced. A directory of parts loses them now; a table keeps them until
                the new ones are there.

        Raises:
            TableError: if the file system refuses.
        """
        for kind in WRITING:
            folder = self.folder / kind
            with reported(self.out):
                folder.mkdir(parents=True, exist_ok=True)
                tempfile.TemporaryFile(dir=folder).close()
            sweep(folder, prefix=self.shard.prefix and f"part-{self.shard.prefix}")
        if not self.is_table:
            Progress(self.shard).write(self.out)
        marks = self._parts("files")
        for path in set(self._parts("segments")) - {self.segments_of(mark) for mark in marks}:
            path.unlink()
        numbers = [path.stem.removeprefix(f"part-{self.shard.prefix}") for path in marks]
        self.next_part = max((int(number) + 1 for number in numbers if number.isdecimal()), default=0)
        if not self.is_table:
            self._drop(stale)

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
        self.next_part += 1

    def finish(self, whole: bool = True) -> None:
        """Make the one table of each kind, if that is what the output is, and remove the parts; else note the end.

        Args:
            whole: whether all that was planned is done.

        Raises:
            TableError: if a part is damaged or the file system refuses.
        """
        if not self.is_table:
            Progress(self.shard, len(self._parts("files")), finished=whole).write(self.out)
            return
        if self._parts("files"):
            collect([self], self.out)
        for kind in REMOVING:
            shutil.rmtree(self.folder / kind, ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _drop(self, names: frozenset[str]) -> None:
        for path in self._parts("files") if names else ():
            if not names.isdisjoint(read_columns(path, ["file"])["file"].to_pylist()):
                drop_files(self.segments_of(path), names, self.provenance)
                drop_files(path, names, self.provenance)  # the mark last: until then the next run finds them stale

    def pieces(self) -> list[Piece]:
        """Give the file tables as pieces that share no file: what a later one has, an earlier one goes without."""
        pieces: list[Piece] = []
        seen: set[str] = set()
        for path in reversed(self._tables("files")):
            names = set(read_columns(path, ["file"])["file"].to_pylist())
            # A run that was killed between the two final tables has left more in the segments than the files tell.
            without = seen if path == self.out else names & seen
            pieces.append(Piece(path, min(names, default=""), frozenset(without)))
            seen |= names
        return pieces

    def _tables(self, kind: Kind) -> list[Path]:
        """List the tables of a kind that are there, oldest first: the final one, then parts."""
        final = [table_path(self.out, kind)] if self.is_table else []
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

    def _check(self, path: Path, kind: Kind) -> None:
        found = _provenance(path)
        if found.fingerprint != self.provenance.fingerprint:
            raise TableError(f"{path} was made otherwise: {_difference(found, self.provenance)}", REPLACE)
        if read_schema(path).names != list(self.columns[kind]):
            raise TableError(f"{path} has other columns than this version of pcqtool writes", REPLACE)


def collect(stores: Sequence[Store], out: Path) -> None:
    """Join what the stores of one run hold to one table of each kind.

    Args:
        stores: no file is in two of them.
        out: the file table, which may be a store's own.

    Raises:
        TableError: if a part is damaged or the file system refuses.
    """
    found = [(store, piece) for store in stores for piece in store.pieces()]
    files = [piece for _, piece in found]
    segments = [replace(piece, path=store.segments_of(piece.path)) for store, piece in found]
    for kind, tables in zip(WRITING, (segments, files), strict=True):
        path = table_path(out, kind).resolve()
        sweep(path.parent, path.name)
        join(tables, path, read_schema(tables[0].path), stores[0].provenance)


def _provenance(path: Path) -> Provenance:
    """Read what a table says of itself; what is not of pcqtool must stay as it is."""
    try:
        return read_provenance(path)
    except TableError as fault:
        raise TableError(fault.what, "It is left as it is: name another --out, or move it away.") from fault


def _difference(found: Provenance, wanted: Provenance) -> str:
    """Say in what two runs differ."""
    parts = []
    if found.model_sha256 != wanted.model_sha256:
        other = "another model of this name" if found.model == wanted.model else f"model {wanted.model}"
        parts.append(f"by model {found.model}, not by {other}")
    parts += [
        f"{name} {found.settings.get(name)}, not {value}"
        for name, value in wanted.settings.items()
        if found.settings.get(name) != value
    ]
    return "; ".join(parts) or f"by pcqtool {found.tool_version}"
