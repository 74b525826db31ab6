"""Archives from elsewhere, unpacked so that nothing is written but files below one folder."""

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

from pcqtool.errors import CorpusError

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
MOST_TIMES = 20  # as large as the archive; sound is packed to no less than a third
ALWAYS_ALLOWED_BYTES = 100_000_000  # since tables can be packed much further

MOST_MEMBERS = 500_000
MOST_NAME = 4096  # characters: no file system takes more
MOST_READ_BYTES = 1 << 25  # at once: the table of a zip archive with MOST_MEMBERS, hardly more
MOST_HEADER_BYTES = 1 << 20  # of a tar's member: its name, and what else is said of it

# What zipfile and tarfile raise at damage; from ValueError on at headers with impossible numbers, unknown compression
# and headers of headers of headers.
_DAMAGES = (
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, struct.error),
    *(ValueError, OverflowError, NotImplementedError, RecursionError),
)
_PACKERS: dict[bytes, Callable[..., Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ": lzma.open,
    b"]\0\0": lzma.open,
}
UNTRUE = "It is not the original, or was made to do harm: nothing of it is used."

Tell = Callable[[int, int | None], None]


@dataclass(frozen=True)
class _Member:
    name: str
    size_bytes: int
    is_folder: bool
    is_file: bool
    open: Callable[[], IO[bytes] | None]


def is_archive(name: str) -> bool:
    """Whether a file of this name is unpacked."""
    return name.lower().endswith(SUFFIXES)


def unpack(archive: Path, folder: Path, tell: Tell = lambda done, total: None) -> int:
    """Unpack a zip or tar archive into a folder, with the permissions of new files.

    What an archive of recordings has no use for is refused: a path that is absolute or leads out of the folder, a
    link, a device, a password, a file of the same name as another, names and headers that take much memory, too many
    files, and more than 20 times the archive's own size.

    Args:
        archive: recognised by its content.
        folder: made if it is missing.
        tell: called with the bytes written so far, and None.

    Returns:
        The number of files.

    Raises:
        CorpusError: if the archive is damaged, none at all, or not one to be unpacked; the folder may then hold a part
            of it.
        OSError: if the disk refuses.
    """
    most = max(ALWAYS_ALLOWED_BYTES, MOST_TIMES * archive.stat().st_size)
    n_files = n_bytes = 0
    try:
        for number, member in enumerate(_members(archive, most)):
            if number >= MOST_MEMBERS:
                raise _too_much(archive, f"{MOST_MEMBERS:,} entries")
            target = folder / _checked(member, archive)
            if member.is_folder:
                target.mkdir(parents=True, exist_ok=True)
                continue
            n_files, n_bytes = n_files + 1, n_bytes + member.size_bytes
            if n_bytes > most:
                raise _too_much(archive, f"{most:,} bytes")
            target.parent.mkdir(parents=True, exist_ok=True)
            source = member.open()
            if source is not None:
                with source, target.open("xb") as file:
                    shutil.copyfileobj(source, file, 1 << 20)
            tell(n_bytes, None)
    except (FileExistsError, NotADirectoryError) as error:
        raise CorpusError(f"{archive}: has two entries for {error.filename}", UNTRUE) from error
    except _TooMuchError as error:
        raise _too_much(archive, f"{most:,} bytes") from error
    except _DAMAGES as error:
        raise _damaged(archive, error) from error
    except OSError as error:
        if error.errno is not None:
            raise
        raise _damaged(archive, error) from error  # gzip and bz2 say it so
    return n_files


def _members(archive: Path, most_bytes: int) -> Iterator[_Member]:
    if zipfile.is_zipfile(archive):
        with archive.open("rb") as raw, zipfile.ZipFile(cast(IO[bytes], _Bounded(raw))) as packed:
            yield from (_zipped(packed, each, archive) for each in packed.infolist())
        return
    with _open_tar(archive, most_bytes) as (stream, packed_tar):
        while True:
            with stream.limited(MOST_HEADER_BYTES):
                info = packed_tar.next()
            if info is None:
                break
            packed_tar.members.clear()  # type: ignore[attr-defined]  # which would remember all of them
            yield _tarred(packed_tar, info)
        # Only at its very end does a stream's checksum tell whether it was damaged.
        while stream.read(1 << 20):
            pass


class _Bounded(io.RawIOBase):
    """An archive's bytes, unpacked, of which no more is read at once, between two members and in all than it may."""

    def __init__(self, file: IO[bytes], most_bytes: int | None = None) -> None:
        self._file, self._most_bytes = file, most_bytes
        self._left: int | None = None

    @contextmanager
    def limited(self, n_bytes: int) -> Iterator[None]:
        """Let no more than so many bytes be read within the block."""
        self._left = n_bytes
        try:
            yield
        finally:
            self._left = None

    def read(self, size: int = -1) -> bytes:
        """Read some bytes; without a size, as many as may be read at once."""
        n = min(size, MOST_READ_BYTES + 1) if size >= 0 else MOST_READ_BYTES
        if self._left is not None:
            self._left -= n
        if n > MOST_READ_BYTES or (self._left is not None and self._left < 0):
            raise tarfile.TarError("a name or header is far too long")
        content = self._file.read(n)
        self._check(self._file.tell())
        return content

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place."""
        if whence == io.SEEK_SET:
            if offset < 0:
                raise ValueError("a place before its beginning")
            self._check(offset)
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Return the place."""
        return self._file.tell()

    def seekable(self) -> bool:
        """Whether one can go back."""
        return self._file.seekable()

    def _check(self, place: int) -> None:
        if self._most_bytes is not None and place > self._most_bytes:
            raise _TooMuchError


class _TooMuchError(Exception):
    """More comes out of an archive than may."""


@contextmanager
def _open_tar(archive: Path, most_bytes: int) -> Iterator[tuple[_Bounded, tarfile.TarFile]]:
    with archive.open("rb") as raw:
        start = raw.read(6)
    opening = next((way for mark, way in _PACKERS.items() if start.startswith(mark)), Path.open)
    with opening(archive, "rb") as file:
        stream = _Bounded(file, most_bytes)
        try:
            with stream.limited(MOST_HEADER_BYTES):
                packed = tarfile.open(fileobj=cast(IO[bytes], stream), mode="r:")  # noqa: SIM115
        except (tarfile.ReadError, OSError, EOFError, lzma.LZMAError, zlib.error) as error:
            if getattr(error, "errno", None) is not None:  # the disk's
                raise
            raise CorpusError(
                f"{archive}: is neither a zip nor a tar archive",
                "It is damaged, or a web page that the server has sent instead: look into it, remove it, "
                "run this again.",
            ) from error
        with packed:
            yield stream, packed


def _zipped(packed: zipfile.ZipFile, info: zipfile.ZipInfo, archive: Path) -> _Member:
    if info.flag_bits & 1:
        raise CorpusError(f"{archive}: {info.filename!r} needs a password", "Unpack it by hand.")
    kind = stat.S_IFMT(info.external_attr >> 16)  # 0 where the archive was not made on Unix
    is_folder = info.filename.endswith("/")  # info.is_dir() fails where there is no name at all
    is_file = not is_folder and kind in (0, stat.S_IFREG)
    return _Member(info.filename, info.file_size, is_folder, is_file, lambda: packed.open(info))


def _tarred(packed: tarfile.TarFile, info: tarfile.TarInfo) -> _Member:
    return _Member(info.name, info.size, info.isdir(), info.isfile(), lambda: packed.extractfile(info))


def _checked(member: _Member, archive: Path) -> Path:
    """Give the relative path of a member that may be unpacked."""
    if len(member.name) > MOST_NAME or member.size_bytes < 0:
        raise CorpusError(f"{archive}: {member.name[:40]!r}… has an impossible name or size", UNTRUE)
    parts = re.split(r"[/\\]", member.name)
    outside = not parts[0] or ".." in parts or re.match("[A-Za-z]:", member.name)
    if outside or "\0" in member.name or not (member.is_file or member.is_folder):
        what = "leads out of its folder" if outside else "is no plain file"
        raise CorpusError(f"{archive}: {member.name!r} {what}", UNTRUE)
    return Path(*parts)


def _too_much(archive: Path, what: str) -> CorpusError:
    return CorpusError(
        f"{archive}: unpacks to more than {what}, which no archive of recordings does",
        "Unpack it by hand if you trust it.",
    )


def _damaged(archive: Path, error: Exception) -> CorpusError:
    return CorpusError(f"{archive}: the archive is damaged: {error}", "Remove it, and run this again.")
