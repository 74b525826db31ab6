"""Lists of input paths: ``--files-from``."""

from __future__ import annotations

import codecs
import os
import sys
from pathlib import Path

from pcqtool.errors import SettingsError

MAX_BYTES = 1 << 30  # some ten million paths


def read(source: str) -> list[str]:
    r"""Read a list of paths, which may contain any bytes, separated by NUL (``find -print0``) or else by newlines.

    A list with a byte-order mark of UTF-16, as some Windows programs write, is decoded as UTF-16.

    Args:
        source: a file, or ``-`` for stdin.

    Raises:
        SettingsError: if it cannot be read or is not a list.
    """
    text = _decoded(_bytes(source), source)
    if "\0" in text and text.count("\0") > len(text) // 3 and len(text) >= 8:
        raise SettingsError(
            f"the list {source} is not plain text, or is UTF-16 without a byte-order mark", "Save it as UTF-8."
        )
    return text.split("\0") if "\0" in text else [line.rstrip("\r") for line in text.split("\n")]


def _bytes(source: str) -> bytes:
    try:
        if source != "-":
            with Path(source).open("rb") as file:
                data = file.read(MAX_BYTES + 1)
        else:
            data = sys.stdin.buffer.read(MAX_BYTES + 1) if sys.stdin else b""
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise SettingsError(f"cannot read the list {source}: {reason}") from error
    if len(data) > MAX_BYTES:
        raise SettingsError(f"the list {source} is larger than {MAX_BYTES >> 30} GiB", "Is it the right file?")
    return data


def _decoded(data: bytes, source: str) -> str:
    if not data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return os.fsdecode(data.removeprefix(codecs.BOM_UTF8))
    wide = data.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE))
    try:
        return data.decode("utf-32" if wide else "utf-16")
    except UnicodeDecodeError as error:
        raise SettingsError(f"the list {source} is damaged: {error.reason}", "Save it as UTF-8.") from error
