"""Shards: one run on many machines, each with its share of the inputs; the machines share only a folder."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import zlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from pcqtool.batch.names import Source, signature_of
from pcqtool.errors import SettingsError, TableError
from pcqtool.files.atomic import sweep, write_whole
from pcqtool.tables.paths import SHARDS


@dataclass(frozen=True, order=True)
class Shard:
    """A share of the inputs.

    Attributes:
        count: number of shards.
        number: number of this shard, from 1.

    Raises:
        SettingsError: if the number is not from 1 to ``count``.
    """

    count: int = 1
    number: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.count:
            raise SettingsError(f"{self} is not a valid shard", f"Shards are numbered from 1/{self.count}.")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse ``2/16``.

        Raises:
            SettingsError: if the text has another form, or the number is not from 1 to the number of shards.
        """
        match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text, re.ASCII)
        if match is None:
            raise SettingsError(f"a shard must be given as 2/16, not as {text!r}")
        return cls(number=int(match[1]), count=int(match[2]))

    @property
    def prefix(self) -> str:
        """Prefix of the names of its parts; empty for a single shard."""
        return "" if self.count == 1 else f"{self.number:0{len(str(self.count))}d}of{self.count}-"

    def has(self, file: str) -> bool:
        """Whether a file is in this shard, by a hash of its name in the tables, which is the same on all machines."""
        digest = hashlib.blake2b(file.encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big") % self.count == self.number - 1

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"


@dataclass(frozen=True)
class ShardProgress:
    """Progress of a shard's run, as its output directory records it.

    Attributes:
        shard: the shard.
        n_parts: number of its parts, once it has finished.
        finished: whether everything in its plan is done.
        root: the folder that names are relative to, as in the tables' provenance.
    """

    shard: Shard
    n_parts: int = 0
    finished: bool = False
    root: str | None = None

    def write(self, directory: Path) -> None:
        """Write it into the output directory.

        Raises:
            FileError: if the file system refuses.
        """
        _write(directory, f"{self.shard.prefix}progress.json", json.dumps(asdict(self)).encode())


def read_progress(directory: Path) -> list[ShardProgress]:
    """Read the progress of all shards in an output directory, in their order.

    Raises:
        TableError: if a file is damaged.
    """
    return sorted(
        (_read(path) for path in (directory / SHARDS).glob("*progress.json")), key=lambda progress: progress.shard
    )


def _read(path: Path) -> ShardProgress:
    try:
        values = json.loads(path.read_bytes())
        return ShardProgress(**values | {"shard": Shard(**values["shard"])})
    except (OSError, ValueError, KeyError, TypeError) as fault:
        raise TableError(f"{path}: cannot be read ({fault})", "Run the shard again.") from fault


def write_inputs(directory: Path, shard: Shard, sources: Iterable[Source]) -> None:
    """Record the inputs of a shard's run, including the recordings of other shards.

    Raises:
        FileError: if the file system refuses.
    """
    signatures = ((source.file, *signature_of(source)[:2]) for source in sources)
    content = gzip.compress("\0".join(f"{field}" for each in signatures for field in each).encode(), 1, mtime=0)
    _write(directory, f"{shard.prefix}inputs.gz", content)


def read_inputs(directory: Path, shard: Shard) -> dict[str, tuple[str, str]]:
    """Read the inputs that ``write_inputs`` has recorded: names, with size and time as text.

    Raises:
        TableError: if it is missing or damaged.
    """
    path = directory / SHARDS / f"{shard.prefix}inputs.gz"
    try:
        fields = gzip.decompress(path.read_bytes()).decode().split("\0")
        return dict(zip(fields[::3], zip(fields[1::3], fields[2::3], strict=True), strict=False))
    except (OSError, EOFError, zlib.error, ValueError) as fault:
        raise TableError(f"{path}: cannot be read ({fault})", "Run the shard again.") from fault


def _write(directory: Path, name: str, content: bytes) -> None:
    path = directory / SHARDS / name
    sweep(path.parent, name)
    write_whole(path, content)
