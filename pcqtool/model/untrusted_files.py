"""Safe reading of model files from untrusted sources: bounded in size, and never blocking on a pipe or device."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
from pathlib import Path
from reprlib import Repr
from typing import Any, BinaryIO

JSON_LIMIT = 4 * 2**20
"""Bytes; a configuration has a few thousand."""

_MAX_DEPTH = 30
_SHORT = Repr()
_SHORT.maxstring = _SHORT.maxother = 80
_SHORT.maxlevel = 2


def short_repr(value: object) -> str:
    """Return a short text for a value of any size, for one line of an error message."""
    return _SHORT.repr(value)


def printable(name: str) -> str:
    """Return a name as it is if it is printable and short, else its ``short_repr``."""
    return name if name.isprintable() and len(name) <= 200 else short_repr(name)


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file, or a link to one, for reading; pipes and devices, which may never end, are refused.

    Raises:
        OSError: if it is not a regular file, or cannot be read.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NONBLOCK", 0))
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    raise OSError(errno.EINVAL, "it is not a regular file")


def read_json(path: Path) -> Any:
    """Read a JSON file of limited size and depth whose strings are valid Unicode.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if it is not such a file.
    """
    with open_regular(path) as file:
        content = file.read(JSON_LIMIT + 1)
    if len(content) > JSON_LIMIT:
        raise ValueError(f"it has more than {JSON_LIMIT} bytes")
    try:
        value = json.loads(content.decode())
        _check_depth(value, _MAX_DEPTH)
        json.dumps(value, ensure_ascii=False).encode()  # fails for half a surrogate pair
    except json.JSONDecodeError as error:
        raise ValueError(f"it is not JSON: {error}") from error
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except UnicodeEncodeError:
        raise ValueError("it contains text that is not valid Unicode") from None
    return value


def sha256_of(*paths: Path) -> str:
    """Compute the SHA-256 hash of several files in sequence.

    Raises:
        OSError: if a file cannot be read; its ``filename`` is set.
    """
    digest = hashlib.sha256()
    for path in paths:
        try:
            with open_regular(path) as file:
                while block := file.read(2**20):
                    digest.update(block)
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(path)) from error
    return digest.hexdigest()


def _check_depth(value: object, max_depth: int) -> None:
    if max_depth == 0:
        raise ValueError("it is nested too deeply")
    if isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            _check_depth(each, max_depth - 1)
