"""Safe unpacking of untrusted archives: only plain files below one folder are written."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from pcqtool.corpora.download import OnBytes
from pcqtool.errors import CorpusError

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
MAX_RATIO = 20  # unpacked to packed size; lossless compression of audio saves two thirds at most
ALWAYS_ALLOWED_BYTES = 100_000_000  # because tables can be compressed much more

MAX_MEMBERS = 500_000
MAX_NAME_LENGTH = 4096  # characters; no file system allows more
MAX_READ_BYTES = 1 << 25  # at once; enough for the directory of a zip archive with MAX_MEMBERS
MAX_HEADER_BYTES = 1 << 20  # name and metadata of a tar member

# zipfile and tarfile raise these for damaged archives; ValueError and the following ones for headers with impossible
# numbers, unknown compression, or deeply nested headers.
_DAMAGE_ERRORS = (
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, struct.error),
    *(ValueError, OverflowError, NotImplementedError, RecursionError),
)
_DECOMPRESSORS: dict[bytes, Callable[..., Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ": lzma.open,
    b"]\0\0": lzma.open,
}
HARMFUL_HINT = "It is not the original, or may be harmful: none of it is used."


@dataclass(frozen=True)
class _Member:
    name: str
    size_bytes: int
    is_folder: bool
    is_file: bool
    open: Callable[[], IO[bytes] | None]


def is_archive(name: str) -> bool:
    """Whether a file of this name is an archive to unpack."""
    return name.lower().endswith(SUFFIXES)


def unpack(archive: Path, folder: Path, on_progress: OnBytes = lambda done, total: None) -> int:
    """Unpack a zip or tar archive into a folder, with the permissions of new files.

    Anything that an archive of recordings does not need is refused: paths that are absolute or outside the folder,
    links, devices, passwords, two files of the same name, names and headers that take much memory, too many files, and
    more than 20 times the archive's size.

    Args:
        archive: the file, whose content determines the format.
        folder: created if it does not exist.
        on_progress: called with the bytes written so far, and None.

    Returns:
        The number of files.

    Raises:
        CorpusError: if the file is not an archive, is damaged or refused; the folder may then contain a part of it.
        OSError: if the disk cannot be written.
    """
    max_bytes = max(ALWAYS_ALLOWED_BYTES, MAX_RATIO * archive.stat().st_size)
    n_files = n_bytes = 0
    try:
        for number, member in enumerate(_members(archive, max_bytes)):
            if number >= MAX_MEMBERS:
                raise _too_much(archive, f"{MAX_MEMBERS:,} entries")
            target = folder / _checked(member, archive)
            if member.is_folder:
                target.mkdir(parents=True, exist_ok=True)
                continue
            n_files, n_bytes = n_files + 1, n_bytes + member.size_bytes
            if n_bytes > max_bytes:
                raise _too_much(archive, f"{max_bytes:,} bytes")
            target.parent.mkdir(parents=True, exist_ok=True)
            source = member.open()
            if source is not None:
                with source, target.open("xb") as file:
                    shutil.copyfileobj(source, file, 1 << 20)
            on_progress(n_bytes, None)
    except (FileExistsError, NotADirectoryError) as error:
        raise CorpusError(f"{archive}: has two entries for {error.filename}", HARMFUL_HINT) from error
    except _SizeLimitError as error:
        raise _too_much(archive, f"{max_bytes:,} bytes") from error
    except _DAMAGE_ERRORS as error:
        raise _damaged(archive, error) from error
    except OSError as error:
        if error.errno is not None:
            raise
        raise _damaged(archive, error) from error  # gzip and bz2 report damage in this way
    return n_files


def _members(archive: Path, max_bytes: int) -> Iterator[_Member]:
    if zipfile.is_zipfile(archive):
        with archive.open("rb") as raw, zipfile.ZipFile(cast(IO[bytes], _LimitedReader(raw))) as packed:
            yield from (_zipped(packed, each, archive) for each in packed.infolist())
        return
    with _open_tar(archive, max_bytes) as (stream, packed_tar):
        while True:
            with stream.limited(MAX_HEADER_BYTES):
                info = packed_tar.next()
            if info is None:
                break
            packed_tar.members.clear()  # type: ignore[attr-defined]  # it would grow with every member
            yield _tarred(packed_tar, info)
        # A stream's checksum is at its very end.
        while stream.read(1 << 20):
            pass


class _LimitedReader(io.RawIOBase):
    """The bytes of an archive, with limits for a single read, for a header and for all bytes."""

    def __init__(self, file: IO[bytes], max_bytes: int | None = None) -> None:
        self._file, self._max_bytes = file, max_bytes
        self._left: int | None = None

    @contextmanager
    def limited(self, n_bytes: int) -> Iterator[None]:
        """Limit the number of bytes that the block may read."""
        self._left = n_bytes
        try:
            yield
        finally:
            self._left = None

    def read(self, size: int = -1) -> bytes:
        """Read bytes; without a size, as many as a single read may return."""
        n = min(size, MAX_READ_BYTES + 1) if size >= 0 else MAX_READ_BYTES
        if self._left is not None:
            self._left -= n
        if n > MAX_READ_BYTES or (self._left is not None and self._left < 0):
            raise tarfile.TarError("a name or header is far too long")
        content = self._file.read(n)
        self._check(self._file.tell())
        return content

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Change the position."""
        if whence == io.SEEK_SET:
            if offset < 0:
                raise ValueError("a position before the beginning")
            self._check(offset)
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Return the position."""
        return self._file.tell()

    def seekable(self) -> bool:
        """Whether the position can be changed."""
        return self._file.seekable()

    def _check(self, position: int) -> None:
        if self._max_bytes is not None and position > self._max_bytes:
            raise _SizeLimitError


class _SizeLimitError(Exception):
    """An archive exceeds the limit of unpacked bytes."""


@contextmanager
def _open_tar(archive: Path, max_bytes: int) -> Iterator[tuple[_LimitedReader, tarfile.TarFile]]:
    with archive.open("rb") as raw:
        start = raw.read(6)
    open_stream = next((each for magic, each in _DECOMPRESSORS.items() if start.startswith(magic)), Path.open)
    with open_stream(archive, "rb") as file:
        stream = _LimitedReader(file, max_bytes)
        try:
            with stream.limited(MAX_HEADER_BYTES):
                packed = tarfile.open(fileobj=cast(IO[bytes], stream), mode="r:")  # noqa: SIM115
        except (tarfile.ReadError, OSError, EOFError, lzma.LZMAError, zlib.error) as error:
            if getattr(error, "errno", None) is not None:  # an error of the disk
                raise
            raise CorpusError(
                f"{archive}: is neither a zip nor a tar archive",
                "It is damaged, or a web page that the server sent instead: look at it, remove it, and run this again.",
            ) from error
        with packed:
            yield stream, packed


def _zipped(packed: zipfile.ZipFile, info: zipfile.ZipInfo, archive: Path) -> _Member:
    if info.flag_bits & 1:
        raise CorpusError(f"{archive}: {info.filename!r} needs a password", "Unpack it by hand.")
    kind = stat.S_IFMT(info.external_attr >> 16)  # 0 if the archive was not created on Unix
    is_folder = info.filename.endswith("/")  # info.is_dir() fails for an empty name
    is_file = not is_folder and kind in (0, stat.S_IFREG)
    return _Member(info.filename, info.file_size, is_folder, is_file, lambda: packed.open(info))


def _tarred(packed: tarfile.TarFile, info: tarfile.TarInfo) -> _Member:
    return _Member(info.name, info.size, info.isdir(), info.isfile(), lambda: packed.extractfile(info))


def _checked(member: _Member, archive: Path) -> Path:
    """Return the relative path of a member, after all checks."""
    if len(member.name) > MAX_NAME_LENGTH or member.size_bytes < 0:
        raise CorpusError(f"{archive}: {member.name[:40]!r}… has an impossible name or size", HARMFUL_HINT)
    parts = re.split(r"[/\\]", member.name)
    outside = not parts[0] or ".." in parts or re.match("[A-Za-z]:", member.name)
    if outside or "\0" in member.name or not (member.is_file or member.is_folder):
        what = "is outside its folder" if outside else "is not a plain file"
        raise CorpusError(f"{archive}: {member.name!r} {what}", HARMFUL_HINT)
    return Path(*parts)


def _too_much(archive: Path, what: str) -> CorpusError:
    return CorpusError(
        f"{archive}: unpacks to more than {what}, unlike any archive of recordings",
        "Unpack it by hand if you trust it.",
    )


def _damaged(archive: Path, error: Exception) -> CorpusError:
    return CorpusError(f"{archive}: the archive is damaged: {error}", "Remove it and run this again.")
