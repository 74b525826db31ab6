"""Opening recordings, and the errors of disk and operating system."""

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

_PERMANENT = (errno.ELOOP, errno.ENAMETOOLONG)  # faults of the path: another try cannot succeed


def open_file(path: Path) -> BinaryIO:
    """Open a file for the decoders, which share its position.

    Raises:
        AudioError: a directory, a device, a pipe, or a file of 0 bytes.
        AccessError: the file is missing, lacks read permission, or cannot be opened at the moment.
    """
    with access_errors(path, "opened"):
        status = os.stat(path)  # noqa: PTH116
        if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for ever
            what = "a directory" if stat.S_ISDIR(status.st_mode) else "not a regular file"
            raise AudioError(f"{display_path(path)}: is {what}", "Specify a recording.")
        if not status.st_size:
            raise AudioError(f"{display_path(path)}: is empty (0 bytes)", "Recording or copying it has failed.")
        return path.open("rb", buffering=0)


@contextmanager
def access_errors(path: Path, done: str = "read") -> Iterator[None]:
    """Turn the operating system's errors while a recording is opened or read into ``AccessError`` or ``AudioError``."""
    try:
        yield
    except FileNotFoundError as error:
        raise AccessError(
            f"{display_path(path)}: does not exist", "It may have been moved since it was listed."
        ) from error
    except PermissionError as error:
        raise AccessError(
            f"{display_path(path)}: no permission to read it", "Check the permissions of the file and its folders."
        ) from error
    except OSError as error:
        kind = AudioError if error.errno in _PERMANENT else AccessError
        raise kind(
            f"{display_path(path)}: cannot be {done} ({error.strerror or error})",
            "Check the disk or the network share.",
        ) from error


def check_size(file: BinaryIO, path: Path, n_bytes: int) -> None:
    """Raise an ``AccessError`` if a file has become shorter than ``n_bytes``: its samples are a mixture."""
    with access_errors(path):
        n_now = file.seek(0, os.SEEK_END)
    if n_now < n_bytes:
        raise AccessError(
            f"{display_path(path)}: became shorter while being read ({n_bytes} bytes, then {n_now})",
            "Wait until nothing writes to it.",
        )
