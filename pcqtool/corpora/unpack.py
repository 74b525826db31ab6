"""Archives from elsewhere, unpacked so that nothing is written but files below one folder."""

from __future__ import annotations

import lzma
import re
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from pcqtool.errors import CorpusError

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
MOST_TIMES = 20  # as large as the archive; sound is packed to no less than a third
ALWAYS_ALLOWED_BYTES = 100_000_000  # since tables can be packed much further

# What zipfile and tarfile raise at damage; the last two at headers with impossible numbers and unknown compression.
_DAMAGES = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, ValueError, NotImplementedError)
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
    link, a device, a password, a file of the same name as another, and more than 20 times the archive's own size.

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
        for member in _members(archive):
            target = folder / _checked(member, archive)
            if member.is_folder:
                target.mkdir(parents=True, exist_ok=True)
                continue
            n_files, n_bytes = n_files + 1, n_bytes + member.size_bytes
            if n_bytes > most:
                raise CorpusError(
                    f"{archive}: unpacks to more than {most:,} bytes, which no archive of recordings does",
                    "Unpack it by hand if you trust it.",
                )
            target.parent.mkdir(parents=True, exist_ok=True)
            source = member.open()
            if source is not None:
                with source, target.open("xb") as file:
                    shutil.copyfileobj(source, file, 1 << 20)
            tell(n_bytes, None)
    except (FileExistsError, NotADirectoryError) as error:
        raise CorpusError(f"{archive}: has two entries for {error.filename}", UNTRUE) from error
    except _DAMAGES as error:
        raise _damaged(archive, error) from error
    except OSError as error:
        if error.errno is not None:
            raise
        raise _damaged(archive, error) from error  # gzip and bz2 say it so
    return n_files


def _members(archive: Path) -> Iterator[_Member]:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as packed:
            yield from (_zipped(packed, each, archive) for each in packed.infolist())
    elif tarfile.is_tarfile(archive):
        with tarfile.open(archive) as packed_tar:
            yield from (_tarred(packed_tar, each) for each in packed_tar)
            # Only at its very end does a stream's checksum tell whether it was damaged.
            while packed_tar.fileobj and packed_tar.fileobj.read(1 << 20):
                pass
    else:
        raise CorpusError(
            f"{archive}: is neither a zip nor a tar archive",
            "It is damaged, or a web page that the server has sent instead: look into it, remove it, run this again.",
        )


def _zipped(packed: zipfile.ZipFile, info: zipfile.ZipInfo, archive: Path) -> _Member:
    if info.flag_bits & 1:
        raise CorpusError(f"{archive}: {info.filename!r} needs a password", "Unpack it by hand.")
    kind = stat.S_IFMT(info.external_attr >> 16)  # 0 where the archive was not made on Unix
    is_file = not info.is_dir() and kind in (0, stat.S_IFREG)
    return _Member(info.filename, info.file_size, info.is_dir(), is_file, lambda: packed.open(info))


def _tarred(packed: tarfile.TarFile, info: tarfile.TarInfo) -> _Member:
    return _Member(info.name, info.size, info.isdir(), info.isfile(), lambda: packed.extractfile(info))


def _checked(member: _Member, archive: Path) -> Path:
    """Give the relative path of a member that may be unpacked."""
    parts = re.split(r"[/\\]", member.name)
    outside = not parts[0] or ".." in parts or re.match("[A-Za-z]:", member.name)
    if outside or "\0" in member.name or not (member.is_file or member.is_folder):
        what = "leads out of its folder" if outside else "is no plain file"
        raise CorpusError(f"{archive}: {member.name!r} {what}", UNTRUE)
    return Path(*parts)


def _damaged(archive: Path, error: Exception) -> CorpusError:
    return CorpusError(f"{archive}: the archive is damaged: {error}", "Remove it, and run this again.")
