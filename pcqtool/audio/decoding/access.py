"""Opening recordings, and what the disk or the machine has to say against it."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from pcqtool.errors import AccessError, AudioError
from pcqtool.files.display import display_path

_OWN = (errno.ELOOP, errno.ENAMETOOLONG)  # of the path: another try changes nothing


def open_file(path: Path) -> BinaryIO:
    """Open a file for the decoders, which share its position.

    Raises:
        AudioError: a directory, no regular file, or of 0 bytes.
        AccessError: it is not there, may not be read, or cannot be opened at the moment.
    """
    with reading(path, "opened"):
        found = os.stat(path)  # noqa: PTH116
        if not stat.S_ISREG(found.st_mode):  # opening a pipe would wait for ever
            what = "a directory" if stat.S_ISDIR(found.st_mode) else "no regular file"
            raise AudioError(f"{display_path(path)}: is {what}", "Give a recording.")
        if not found.st_size:
            raise AudioError(f"{display_path(path)}: is empty (0 bytes)", "The recording or the copy of it failed.")
        return path.open("rb", buffering=0)


@contextmanager
def reading(path: Path, done: str = "read") -> Iterator[None]:
    """Turn what the system raises while a recording is opened or read into an ``AccessError``, mostly."""
    try:
        yield
    except FileNotFoundError as error:
        raise AccessError(
            f"{display_path(path)}: does not exist", "It may have been moved since it was listed."
        ) from error
    except PermissionError as error:
        raise AccessError(
            f"{display_path(path)}: may not be read", "Check the permissions of the file and its folders."
        ) from error
    except OSError as error:
        kind = AudioError if error.errno in _OWN else AccessError
        raise kind(
            f"{display_path(path)}: cannot be {done} ({error.strerror or error})",
            "Check the disk or the share.",
        ) from error


def check_length(file: BinaryIO, path: Path, n_bytes: int) -> None:
    """Raise an ``AccessError`` if a file has become shorter than ``n_bytes``: what was read was never one recording."""
    with reading(path):
        n_now = file.seek(0, os.SEEK_END)
    if n_now < n_bytes:
        raise AccessError(
            f"{display_path(path)}: became shorter while it was read ({n_bytes} bytes, then {n_now})",
            "Wait until nothing writes to it.",
        )
