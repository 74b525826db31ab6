"""Where a run's tables lie: parts while it works, one table of files and one of segments in the end."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from filelock import FileLock, Timeout

from pcqtool.errors import LockedError, TableError
from pcqtool.labelling.plan import Stamp
from pcqtool.tables.edit import drop_files, join, read_columns
from pcqtool.tables.paths import Kind, is_table_path, list_parts, part_path, table_path
from pcqtool.tables.provenance import Provenance, read_provenance
from pcqtool.tables.writer import write

KINDS: tuple[Kind, Kind] = ("segments", "files")  # in the order of writing: the file table is the mark of "done"


class Store:
    """The output of a run.

    A path that ends in ``.parquet`` becomes a table, with the segment table beside it; the parts lie in a hidden
    folder beside them until then. Any other path becomes a directory that holds the parts.
    """

    def __init__(self, out: Path, provenance: Provenance) -> None:
        self.out = out
        self.provenance = provenance
        self.is_table = is_table_path(out)
        self.folder = out.with_name(f".{out.name}.parts") if self.is_table else out

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other runs away from this output.

        Raises:
            LockedError: if one is at work on it.
            TableError: if the output's folder cannot be made.
        """
        try:
            self.out.parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.out.with_name(f".{self.out.name}.lock"))
            lock.acquire(timeout=0)
        except Timeout:
            raise LockedError(f"{self.out}: another run is writing to it", "Wait for it, or name another --out.") from None
        except OSError as error:
            raise TableError(f"{self.out}: cannot be written ({error.strerror})") from error
        try:
            yield
        finally:
            lock.release()

    def restart(self) -> None:
        """Forget what earlier runs made."""
        for files in self._file_tables():
            for kind in KINDS[::-1]:
                self._sibling(files, kind).unlink(missing_ok=True)
        if self.is_table:
            shutil.rmtree(self.folder, ignore_errors=True)

    def done(self) -> dict[str, Stamp]:
        """Tell which inputs the output holds, with size and time.

        Raises:
            TableError: if a table there is not of pcqtool, or was made with other settings.
        """
        stamps: dict[str, Stamp] = {}
        for path in self._file_tables():
            self._check(path)
            table = read_columns(path, ["file", "size_bytes", "mtime"])
            times = pc.cast(table["mtime"], pa.int64()).to_pylist()
            rows = zip(table["file"].to_pylist(), table["size_bytes"].to_pylist(), times, strict=True)
            stamps |= {file: (size, time) for file, size, time in rows}
        return stamps

    def add(self, files: pa.Table, segments: pa.Table) -> None:
        """Write a finished part."""
        number = 1 + max((int(path.stem.rpartition("-")[2]) for path in list_parts(self.folder, "files")), default=-1)
        for kind, table in zip(KINDS, (segments, files), strict=True):
            path = part_path(self.folder, kind, number)
            path.parent.mkdir(parents=True, exist_ok=True)
            write(path, table, self.provenance)

    def drop(self, names: frozenset[str]) -> None:
        """Take the rows of some inputs out of what is there: their recordings have changed."""
        for files in self._file_tables() if names else ():
            if not names.isdisjoint(read_columns(files, ["file"])["file"].to_pylist()):
                for kind in KINDS[::-1]:  # should it end here, a part without its mark is not there
                    drop_files(self._sibling(files, kind), names, self.provenance)

    def finish(self) -> None:
        """Make the one table of each kind, if that is what the output is, and remove the parts."""
        if not self.is_table or (self.out.exists() and not list_parts(self.folder, "files")):
            return
        for kind in KINDS:
            tables = [self._sibling(files, kind) for files in self._file_tables()]
            join(tables, table_path(self.out, kind), self.provenance)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _file_tables(self) -> list[Path]:
        """List the file tables that are there: the final one, and parts."""
        final = [self.out] if self.is_table and self.out.exists() else []
        return final + list_parts(self.folder, "files")

    def _sibling(self, files: Path, kind: Kind) -> Path:
        return table_path(files, kind) if files == self.out else files.parent.parent / kind / files.name

    def _check(self, path: Path) -> None:
        found = read_provenance(path)
        if found.fingerprint != self.provenance.fingerprint:
            raise TableError(
                f"{path} was made with other settings or another model ({found.model}, {found.settings})",
                "Name another --out, or add --restart to replace it.",
            )
