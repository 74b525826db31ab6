"""The output of a run: prepared, written part by part, joined at the end; and what an earlier run has left there."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from pcqtool.batch import resume
from pcqtool.batch.collect import collect
from pcqtool.batch.kept_profiles import KeptProfiles
from pcqtool.batch.layout import OutputLayout
from pcqtool.batch.names import FileSignature, Source, escape_path, unescape_path
from pcqtool.batch.settings import run_fingerprint
from pcqtool.batch.shard import Shard, ShardProgress, read_inputs, read_progress, write_inputs
from pcqtool.batch.summary import TableState
from pcqtool.errors import TableError
from pcqtool.files.atomic import reported, sweep, write_whole
from pcqtool.files.lock import locked
from pcqtool.model.profile_file import BatchProfile
from pcqtool.tables.paths import BESIDE, Kind, is_table_path, parts_before, restart_number, restart_path
from pcqtool.tables.provenance import Provenance
from pcqtool.tables.rewrite import TableSlice, drop_files, join, read_columns, read_schema
from pcqtool.tables.schema import SHARE_PREFIX
from pcqtool.tables.writer import Appender, appending, write


class RunOutput(OutputLayout):
    """The output of a run.

    Args:
        out: path of the file table, or of a directory of parts.
        provenance: recorded in the tables.
        columns: names of the columns of each table.
        shard: the shard of this run; several shards may share a directory.

    Attributes:
        kinds: the tables in the order in which they are removed: the file table marks a part as done, so it is removed
            first, and written last.
        next_part: number of the part that is written next.
        stale: files whose existing rows are to be replaced.
        profile: what inputs are standardised by; None without a profile, or before it is measured.
        kept_profiles: the profiles that are kept with the output.
    """

    def __init__(
        self, out: Path, provenance: Provenance, columns: Mapping[Kind, Sequence[str]], shard: Shard | None = None
    ) -> None:
        super().__init__(out, shard)
        self.provenance = provenance
        self.columns = columns
        self.kinds: tuple[Kind, ...] = ("files", *(kind for kind in BESIDE if kind in columns))
        self.next_part = 0
        self.stale: frozenset[str] = frozenset()
        self.profile: BatchProfile | None = None
        self.kept_profiles = KeptProfiles(self)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other runs away from this output. The lock of a killed run does not hold.

        Raises:
            FileError: if the output's folder cannot be created or written to.
            LockedError: if another run holds it.
            TableError: if the directory has been divided into another number of shards.
        """
        with lock_output(self.out, self.shard):
            self._check_shards()
            if not self.restarted:  # a restart without a finished part has no effect
                restart_path(self.folder, self.shard.prefix).unlink(missing_ok=True)
            yield

    @property
    def root(self) -> str | None:
        """The absolute folder that names are relative to, as the output records it; None for a new output."""
        noted = [progress for progress in ([] if self.is_table else read_progress(self.out)) if progress.root]
        own = [progress.root for progress in noted if progress.shard == self.shard] or [each.root for each in noted]
        roots = own or [resume.provenance_of(path).root for path in self.tables("files")[-1:]]
        return unescape_path(roots[0]) if roots and roots[0] else None

    def name_from(self, root: str) -> None:
        """Make names relative to an absolute folder from now on."""
        self.provenance = replace(self.provenance, root=escape_path(root))

    @property
    def made_by(self) -> Provenance | None:
        """The provenance of the newest table; None for a new output.

        Raises:
            TableError: if pcqtool did not write it.
        """
        tables = self.tables("files")
        return resume.provenance_of(tables[-1]) if tables else None

    def standardise_by(self, profile: BatchProfile | str) -> None:
        """Record in the provenance, from now on, the profile that inputs are standardised by, or why there is none."""
        self.profile, digest = (None, profile) if isinstance(profile, str) else (profile, profile.digest)
        settings = self.provenance.settings | {"profile": digest}
        fingerprint = run_fingerprint(self.provenance.model_sha256, settings)
        self.provenance = replace(self.provenance, settings=settings, fingerprint=fingerprint)

    def done(self, retry_failed: bool = False) -> dict[str, FileSignature]:
        """Return the inputs in the output, with their signatures.

        Args:
            retry_failed: mark all failed recordings to be processed again, not only those with ``retry`` in the table.

        Raises:
            TableError: if a table was not written by pcqtool, or with other settings, or lacks its sibling.
        """
        tables = {kind: self.tables(kind) for kind in self.kinds}  # listed once
        for kind in reversed(self.kinds):
            marked = {self.beside(path, kind) for path in tables["files"]}
            for path in tables[kind]:
                if kind != "files" and path not in marked and path.parent == self.folder / kind:
                    resume.check_replaceable(path, kind)  # of a part that was not finished, perhaps of a restart
                else:
                    resume.check_continues(path, kind, self.provenance, self.columns[kind])
        existing = {path for paths in tables.values() for path in paths}
        signatures: dict[str, FileSignature] = {}
        for path in tables["files"]:
            for beside in (self.beside(path, kind) for kind in self.kinds[1:]):
                if beside not in existing:
                    raise TableError(f"{beside} is missing beside {path}", resume.REPLACE)
            signatures |= resume.read_signatures(path, retry_failed)
        return signatures

    def state(self) -> TableState:
        """Count the rows of the finished output; in a directory of shards, those of this shard."""
        shares = [name for name in self.columns["files"] if name.startswith(SHARE_PREFIX)]
        times = ["duration_s", "speech_s", "classified_s", *shares]
        columns = ["file", "status", "label", "method", "error", "target", *times]
        files = self._read("files", columns)
        return TableState.of(files, self._read("events", ["label"]) if "events" in self.kinds else None)

    def _read(self, kind: Kind, columns: Sequence[str]) -> pa.Table | None:
        """Read columns of all tables of a kind; None if there is no table."""
        tables = [read_columns(path, columns) for path in self.tables(kind)]
        return pa.concat_tables(tables, promote_options="permissive") if tables else None

    def check_replaceable(self) -> None:
        """Refuse to replace tables that are not results of this form.

        Raises:
            TableError: if a table was not written by pcqtool, or is not of the kind that belongs in its place.
        """
        for kind in reversed(self.kinds):
            for path in self.tables(kind):
                resume.check_replaceable(path, kind)

    def check_restart(self, files: Collection[str]) -> None:
        """Refuse to continue an unfinished restart with other inputs than it was given: old rows would be lost.

        Args:
            files: names of the recordings that are done, or that this run processes.

        Raises:
            TableError: if an input of the restart is not among them.
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

    def restart(self) -> None:
        """Start over: earlier rows count until the first part of this run is finished, and stay until all parts are.

        Raises:
            FileError: if the file system refuses.
            TableError: if a table was not written by pcqtool.
        """
        self.check_replaceable()
        mark = restart_path(self.folder, self.shard.prefix)
        sweep(mark.parent, mark.name)
        write_whole(mark, str(self.first_free_number()).encode())

    def note_inputs(self, sources: Sequence[Source]) -> None:
        """Record that a run has begun, and its inputs: ``merge`` checks that all of them are done.

        Args:
            sources: all recordings, including those of other shards.

        Raises:
            FileError: if the file system refuses.
        """
        if not self.is_table:
            ShardProgress(self.shard, root=self.provenance.root).write(self.out)
        write_inputs(self.folder, self.shard, sources)

    def prepare(self, stale: frozenset[str] = frozenset()) -> None:
        """Check that parts can be written, and remove unfinished files of a killed run.

        Args:
            stale: files whose rows are to be replaced, once the new rows are written.

        Raises:
            FileError: if the file system refuses.
        """
        for kind in reversed(self.kinds):
            folder = self.folder / kind
            with reported(self.out):
                folder.mkdir(parents=True, exist_ok=True)
                tempfile.TemporaryFile(dir=folder).close()
            sweep(folder, prefix=self.shard.prefix and f"part-{self.shard.prefix}")
        marks = self.parts("files")
        for kind in self.kinds[1:]:
            for path in set(self.parts(kind)) - {self.beside(mark, kind) for mark in marks}:
                path.unlink()
        self.next_part = self.first_free_number()
        self.stale = stale
        self._drop_replaced()

    def appending_segments(self, schema: pa.Schema) -> AbstractContextManager[Appender]:
        """Open the segment table of the next part; it appears when the block ends without an error, or not at all.

        Raises:
            FileError: if the file system refuses.
        """
        return appending(self.part("segments", self.next_part), schema, self.provenance)

    def write_part(self, files: pa.Table, events: pa.Table | None = None, withdrawn: Collection[str] = ()) -> None:
        """Write the next part, whose segment table has been written; the file table marks it as done.

        Args:
            files: the file table.
            events: the event table, if the output has one.
            withdrawn: files whose rows are removed from the segment table: they failed after some were written.

        Raises:
            FileError: if the file system refuses.
        """
        if withdrawn:
            path = self.part("segments", self.next_part)
            join([TableSlice(path, without=frozenset(withdrawn))], path, read_schema(path), self.provenance)
        if events is not None:
            write(self.part("events", self.next_part), events, self.provenance)
        write(self.part("files", self.next_part), files, self.provenance)
        if not self.stale.isdisjoint(files["file"].to_pylist()):
            self._drop_replaced()
        self.next_part += 1

    def finish(self, complete: bool = True) -> None:
        """Join the parts into one table of each kind and remove them; for a directory, record that the run has ended.

        Args:
            complete: whether the run has processed everything in its plan.

        Raises:
            FileError: if the file system refuses.
            TableError: if a part is damaged.
        """
        if not self.is_table:
            self._drop_replaced()
            if complete:
                self._remove_replaced()
                self._keep_profile()
            ShardProgress(self.shard, len(self.parts("files")), complete, self.provenance.root).write(self.out)
            return
        if self.restarted and not complete:
            return
        if self.parts("files") or (self.out.exists() and resume.provenance_of(self.out).root != self.provenance.root):
            collect([self], self.out, self.kinds[1:], self.provenance)
        self._keep_profile()
        self.remove_parts()

    def remove_parts(self) -> None:
        """Remove the parts of a table, after they were joined."""
        restart_path(self.folder).unlink(missing_ok=True)  # before the parts: the mark is about them alone
        for kind in self.kinds:
            shutil.rmtree(self.folder / kind, ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _keep_profile(self) -> None:
        if self.profile is not None:
            self.kept_profiles.finish(self.profile)

    def _remove_replaced(self) -> None:
        """Remove the parts that a restart has replaced."""
        prefix = self.shard.prefix
        first = restart_number(self.folder, prefix) or 0
        with reported(self.out):
            for kind in self.kinds:
                for path in parts_before(self.folder, kind, first, prefix):
                    path.unlink()
            restart_path(self.folder, prefix).unlink(missing_ok=True)

    def _drop_replaced(self) -> None:
        """Drop rows that later parts replace from a directory's parts; a table leaves them out when joined."""
        seen: set[str] = set()
        for path in reversed(self.parts("files")) if not self.is_table else ():
            names = set(read_columns(path, ["file"])["file"].to_pylist())
            if old := names & seen:
                for kind in self.kinds[1:]:
                    drop_files(self.beside(path, kind), old, self.provenance)
                drop_files(path, old, self.provenance)  # the mark last: until then the next run finds the old rows
            seen |= names

    def _check_shards(self) -> None:
        """Refuse a directory with a run of another number of shards: both would process the same files."""
        others = {progress.shard.count for progress in read_progress(self.out)} - {self.shard.count}
        if not self.is_table and others:
            raise TableError(
                f"{self.out}: contains a run with {min(others)} shards, not {self.shard.count}", "Name another --out."
            )


def lock_output(out: Path, shard: Shard) -> AbstractContextManager[None]:
    """Lock an output, or one shard of a directory.

    Raises:
        FileError: if the output's folder cannot be created or written to.
        LockedError: if another run holds the lock.
    """
    real = out.resolve()
    path = real.with_name(f".{real.name}.lock") if is_table_path(out) else real / f".{shard.prefix}lock"
    return locked(path, f"{out}: another run is writing to it", "Wait for it, or name another --out.")
