"""Blocks of a long array: each is a file of the cache, so that a killed run keeps what it has finished.

The content decides where blocks begin, not its position in a list. A list that grows at any place, or a corpus that is
pooled with others, thus keeps almost all of its blocks.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from pcqtool.errors import CacheError
from pcqtool.training.disk_cache import cache_folder, cache_writer, fall_back_to_memory, is_intact

T = TypeVar("T", bound=np.generic)

_MIN_BLOCK, _MAX_BLOCK = 128, 512  # utterances
_MEAN_REST = 128  # mean number of utterances from _MIN_BLOCK to the end of a block

Build = Callable[[int], tuple[int, Iterator[NDArray[T]]]]
"""Computes a block, given its number: the number of its rows, and the rows in pieces."""


class BlockArray(Generic[T]):
    """Arrays one below the other, indexed like one array; each may be a memory-mapped file."""

    def __init__(self, blocks: Sequence[NDArray[T]]) -> None:
        self.blocks = list(blocks)
        self._ends = np.cumsum([len(block) for block in blocks])
        self._numbers = np.arange(self._ends[-1])

    def __len__(self) -> int:
        return len(self._numbers)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the whole array."""
        return (len(self), *self.blocks[0].shape[1:])

    @property
    def dtype(self) -> np.dtype[T]:
        """Type of the values."""
        return self.blocks[0].dtype

    def __getitem__(self, index: Any) -> NDArray[T]:
        """Read rows into memory: the index is that of an array, but selects one row or a list of rows first."""
        first, *rest = index if isinstance(index, tuple) else (index,)
        rows = np.asarray(self._numbers[first])
        owners = np.searchsorted(self._ends, rows, side="right")
        if rows.ndim == 0:
            return self._read(int(owners), rows, rest)
        found = self.blocks[0][(slice(0), *rest)]
        values: NDArray[T] = np.empty((len(rows), *found.shape[1:]), self.dtype)
        for owner in np.unique(owners):
            values[owners == owner] = self._read(int(owner), rows[owners == owner], rest)
        return values

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[T]:
        """Return the whole array, in memory."""
        return np.asarray(np.concatenate(self.blocks), dtype)

    def _read(self, owner: int, rows: NDArray[np.int64], rest: Sequence[Any]) -> NDArray[T]:
        start = self._ends[owner] - len(self.blocks[owner])
        values: NDArray[T] = self.blocks[owner][(rows - start, *rest)]
        return values


Rows = NDArray[T] | BlockArray[T]
"""An array that is read row by row."""


def joined(blocks: Sequence[NDArray[T]]) -> Rows[T]:
    """Return blocks as one array; nothing is copied."""
    return blocks[0] if len(blocks) == 1 else BlockArray(blocks)


def cut_into_blocks(digests: Sequence[bytes]) -> list[range]:
    """Divide a list into blocks of 128 to 512 utterances, 256 on average, at utterances whose digests end it.

    Args:
        digests: a hash of each utterance's content.
    """
    ends, start = [], 0
    for number, digest in enumerate(digests, 1):
        size = number - start
        ends_here = size >= _MIN_BLOCK and int.from_bytes(digest[:4], "big") % _MEAN_REST == 0
        if ends_here or size == _MAX_BLOCK or number == len(digests):
            ends.append(number)
            start = number
    return [range(start, end) for start, end in itertools.pairwise([0, *ends])]


def cached_blocks(kind: str, keys: Sequence[str], sizes: Sequence[int], build: Build[T]) -> list[NDArray[T]]:
    """Return blocks, memory-mapped from the cache's files; those that it lacks are computed and written one by one.

    If a block cannot be written, it and those after it are kept in memory.

    Args:
        kind: folder of the files.
        keys: hash of everything that decides each block.
        sizes: how much each block takes, in any unit.
        build: computes a block.

    Raises:
        CacheError: if the blocks fit neither into the cache nor into memory.
    """
    paths = [cache_folder() / kind / f"{key}.npy" for key in keys]
    missing = [number for number, path in enumerate(paths) if not is_intact(path)]
    absent = {number for number in missing if not paths[number].exists()}
    left = sum(sizes[number] for number in missing)
    in_memory: dict[int, NDArray[T]] = {}
    for number in missing:
        made_meanwhile = number in absent and is_intact(paths[number])  # by another process
        if not made_meanwhile and (in_memory or not _write(paths[number], *build(number), left / sizes[number])):
            in_memory[number] = _collect(*build(number))
        left -= sizes[number]
    return [in_memory[n] if n in in_memory else _mapped(path) for n, path in enumerate(paths)]


def _write(path: Path, n_rows: int, pieces: Iterator[NDArray[T]], n_blocks: float) -> bool:
    """Write a block if ``n_blocks`` of its size fit; otherwise return False."""
    first = next(pieces)
    n_bytes = int(n_rows * first[0].nbytes * n_blocks)
    header = {"descr": np.lib.format.dtype_to_descr(first.dtype), "fortran_order": False}
    try:
        with cache_writer(path, n_bytes) as file:
            np.lib.format.write_array_header_1_0(file, header | {"shape": (n_rows, *first.shape[1:])})
            for piece in itertools.chain([first], pieces):
                file.write(piece.data)
    except CacheError as error:
        fall_back_to_memory(error, n_bytes)
        return False
    return True


def _mapped(path: Path) -> NDArray[T]:
    block: NDArray[T] = np.load(path, mmap_mode="r", allow_pickle=False)
    return block


def _collect(n_rows: int, pieces: Iterator[NDArray[T]]) -> NDArray[T]:
    first = next(pieces)
    block: NDArray[T] = np.empty((n_rows, *first.shape[1:]), first.dtype)
    done = 0
    for piece in itertools.chain([first], pieces):
        block[done : done + len(piece)] = piece
        done += len(piece)
    return block
