"""Shards: one run over many machines, each doing its share of the inputs, with nothing between them but a folder."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from pcqtool.errors import SettingsError, TableError
from pcqtool.tables.atomic import sweep, write_whole
from pcqtool.tables.paths import KINDS, list_parts

FOLDER = "shards"


@dataclass(frozen=True, order=True)
class Shard:
    """A share of the inputs.

    Attributes:
        count: number of shards.
        number: of this one, from 1.
    """

    count: int = 1
    number: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.count:
            raise SettingsError(f"there is no shard {self}", f"Shards are numbered from 1/{self.count}.")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``2/16``.

        Raises:
            SettingsError: if it is not a number from 1 to the number of shards.
        """
        match = re.fullmatch(r"(\d+)/(\d+)", text)
        if match is None:
            raise SettingsError(f"a shard is written 2/16, not {text!r}")
        return cls(number=int(match[1]), count=int(match[2]))

    @property
    def prefix(self) -> str:
        """What the names of its parts begin with; nothing where there is a single shard."""
        return "" if self.count == 1 else f"{self.number:0{len(str(self.count))}d}of{self.count}-"

    def has(self, file: str) -> bool:
        """Whether a file is in this shard: by a hash of its name in the tables, which is the same on all machines."""
        digest = hashlib.blake2b(file.encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big") % self.count == self.number - 1

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"


@dataclass(frozen=True)
class Progress:
    """How far the run of a shard has come, as its output directory tells.

    Attributes:
        shard: which.
        n_parts: its parts, once it has finished.
        finished: whether all that was planned is done.
    """

    shard: Shard
    n_parts: int = 0
    finished: bool = False

    def write(self, directory: Path) -> None:
        """Keep it in the output directory.

        Raises:
            TableError: if the file system refuses.
        """
        path = directory / FOLDER / f"{self.shard.prefix}progress.json"
        sweep(path.parent, path.name)
        write_whole(path, json.dumps(asdict(self)).encode())


def read_progress(directory: Path) -> list[Progress]:
    """Read how far the shards in an output directory have come, in their order.

    Raises:
        TableError: if a file is damaged.
    """
    return sorted(
        (_read(path) for path in (directory / FOLDER).glob("*progress.json")), key=lambda progress: progress.shard
    )


def check_whole(directories: Sequence[Path]) -> None:
    """Refuse outputs in which anything is missing.

    Raises:
        TableError: naming the shard that is missing, unfinished or there twice, or the directory that lacks parts.
    """
    found: dict[Shard, Path] = {}
    for directory in directories:
        progresses = read_progress(directory)
        if not progresses:
            raise TableError(f"{directory}: no run has been finished there", "Run the same command again, then merge.")
        for progress in progresses:
            _check_finished(directory, progress)
            if progress.shard.count > 1 and progress.shard in found:
                raise TableError(f"shard {progress.shard} is in {found[progress.shard]} and in {directory}")
            found[progress.shard] = directory
    counts = {shard.count for shard in found}
    if len(counts) > 1:
        raise TableError(f"these are of different runs: in {' and in '.join(map(str, sorted(counts)))} shards")
    missing = [str(shard) for n in counts for number in range(n) if (shard := Shard(n, number + 1)) not in found]
    if missing:
        raise TableError(
            f"missing: shard {', '.join(missing)}", "Run them with --shard, and name all their directories."
        )


def _check_finished(directory: Path, progress: Progress) -> None:
    prefix = progress.shard.prefix
    which = f"{directory}: shard {progress.shard}" if prefix else f"{directory}: the run"
    if not progress.finished:
        raise TableError(f"{which} is not finished", "Run the same command again: it goes on where it stopped.")
    marks, segments = ({path.name for path in list_parts(directory, kind, prefix)} for kind in KINDS)
    if len(marks) != progress.n_parts or marks != segments:
        lacking = f"{len(marks & segments)} of its {progress.n_parts} parts are there"
        raise TableError(f"{which} has a hole: {lacking}", "Copy all of them, or run the same command again.")


def _read(path: Path) -> Progress:
    try:
        values = json.loads(path.read_bytes())
        return Progress(**values | {"shard": Shard(**values["shard"])})
    except (OSError, ValueError, KeyError, TypeError) as fault:
        raise TableError(f"{path}: cannot be read ({fault})", "Run the shard again.") from fault
