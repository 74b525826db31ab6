"""Where the tables of a run are located: parts during the run, one table of each kind at its end.

An output path that ends in ``.parquet`` becomes the file table, with the other tables beside it; until then, the parts
are in a hidden folder beside them. Any other path becomes a directory that keeps the parts::

    results.parquet                                  the file table
    results.segments.parquet                         the segment table
    results.events.parquet                           the event table
    .results.parquet.parts/files/part-00000.parquet  a part of the file table; it marks the part as done
                          /segments/part-00000.parquet
                          /events/part-00000.parquet
                          /shards/inputs.gz          the recordings that the run was given
                                 /restart            number of the first part of a restart

If several parts have rows of the same file, the rows of the last part count, and all parts count before the table
itself. A run may therefore be killed at any point, even while tables are joined: the next run resumes from the
remaining tables.
"""

from __future__ import annotations

from pathlib import Path

from pcqtool.batch.shard import Shard
from pcqtool.errors import SettingsError
from pcqtool.tables.paths import (
    Kind,
    all_parts,
    is_restarted,
    is_table_path,
    list_parts,
    part_number,
    part_path,
    resolved,
    table_path,
)


class OutputLayout:
    """The paths of an output.

    Args:
        out: path of the file table, or of a directory of parts.
        shard: the shard of this run; several shards may share a directory.

    Attributes:
        is_table: whether the parts are joined into one table of each kind at the end.
        folder: the folder of the parts.
    """

    def __init__(self, out: Path, shard: Shard | None = None) -> None:
        self.out = resolved(out)
        self.shard = shard or Shard()
        self.is_table = is_table_path(self.out)
        self.folder = self.out.with_name(f".{self.out.name}.parts") if self.is_table else self.out
        if self.is_table and self.shard.count > 1:
            raise SettingsError(
                f"{self.out}: a shard needs a directory as output", "Name one with --out; `pcqtool merge` joins them."
            )

    @property
    def restarted(self) -> bool:
        """Whether a restart has finished parts, which replace everything that was there before."""
        return is_restarted(self.folder, self.shard.prefix)

    def tables(self, kind: Kind) -> list[Path]:
        """List the existing tables of a kind, oldest first: the final table, then the parts."""
        final = [table_path(self.out, kind)] if self.is_table and not self.restarted else []
        return [path for path in final if path.exists()] + self.parts(kind)

    def parts(self, kind: Kind) -> list[Path]:
        """List the finished parts of this shard that count, in the order of their numbers."""
        return list_parts(self.folder, kind, self.shard.prefix)

    def part(self, kind: Kind, number: int) -> Path:
        """Return the path of a part."""
        return part_path(self.folder, kind, number, self.shard.prefix)

    def beside(self, files: Path, kind: Kind) -> Path:
        """Return the path of the table of a kind that belongs to a file table."""
        return table_path(files, kind) if files == self.out else self.folder / kind / files.name

    def first_free_number(self) -> int:
        """Return the number of the next part; parts that a restart has replaced are counted too."""
        numbers = [part_number(path, self.shard.prefix) for path in all_parts(self.folder, "files", self.shard.prefix)]
        return max((number + 1 for number in numbers if number is not None), default=0)
