"""Reading the files of a model directory, which may come from a stranger: within bounds, and never for ever."""

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
"""Bytes; a configuration has some thousands."""

_DEPTH = 30
_SHORT = Repr()
_SHORT.maxstring = _SHORT.maxother = 80
_SHORT.maxlevel = 2


def brief(value: object) -> str:
    """Show a value of a file in an error's one line, however long it is."""
    return _SHORT.repr(value)


def open_regular(path: Path) -> BinaryIO:
    """Open a file to be read, or what a link to one leads to, but no pipe or device, which would never end.

    Raises:
        OSError: if it is none, or cannot be read.
    """
    number = os.open(path, os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NONBLOCK", 0))
    if stat.S_ISREG(os.fstat(number).st_mode):
        return os.fdopen(number, "rb")
    os.close(number)
    raise OSError(errno.EINVAL, "it is not a file")


def read_json(path: Path) -> Any:
    """Read JSON that is of moderate size and depth, and text throughout.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if it is no such JSON.
    """
    with open_regular(path) as file:
        content = file.read(JSON_LIMIT + 1)
    if len(content) > JSON_LIMIT:
        raise ValueError(f"it has more than {JSON_LIMIT} bytes")
    try:
        value = json.loads(content.decode())
        _check_depth(value, _DEPTH)
        json.dumps(value, ensure_ascii=False).encode()  # half a pair of UTF-16 cannot be
    except json.JSONDecodeError as error:
        raise ValueError(f"it is not JSON: {error}") from error
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except UnicodeEncodeError:
        raise ValueError("it holds what is no Unicode text") from None
    return value


def sha256_of(*paths: Path) -> str:
    """Hash files one after the other.

    Raises:
        OSError: if one cannot be read; its ``filename`` says which.
    """
    digest = hashlib.sha256()
    for path in paths:
        try:
            with open_regular(path) as file:
                while piece := file.read(2**20):
                    digest.update(piece)
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(path)) from error
    return digest.hexdigest()


def _check_depth(value: object, room: int) -> None:
    if room == 0:
        raise ValueError("it is nested too deeply")
    if isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            _check_depth(each, room - 1)
