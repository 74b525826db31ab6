"""Text for output: a line stays one line and JSON stays valid, whatever file names and foreign texts contain."""

from __future__ import annotations

import codecs
import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from typing import Any

_KEPT = "\t\N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}"
_SURROGATES = re.compile("[\udc80-\udcff]+|[\ud800-\udfff]")
_NOT_ASCII = re.compile(r"[^\n -~]")


def one_line(text: str, encoding: str = "utf-8") -> str:
    r"""Return text as one line, with escapes such as ``\n`` for control characters and those outside the encoding."""
    shown = "".join(c if c.isprintable() or c in _KEPT else ascii(c)[1:-1] for c in _unicode(text))
    return shown.encode(encoding, "backslashreplace").decode(encoding)


def clock_text(seconds: float) -> str:
    """Return a place in a recording as ``h:mm:ss``, rounded down: ``0:03:12``."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"


def json_text(value: object, encoding: str = "utf-8", indent: int | None = None) -> str:
    r"""Return a value as JSON that every parser reads and every stream accepts.

    NaN and infinity become null. Invisible characters become escapes such as ``\u00ad``, and so do all non-ASCII
    characters if the encoding is not a Unicode one. A byte of a name that is not UTF-8 becomes the four characters
    ``\xNN``, as in the result tables: JSON has no form for it.
    """
    unicode = codecs.lookup(encoding).name.startswith("utf")
    text = json.dumps(_jsonable(value), ensure_ascii=not unicode, indent=indent, allow_nan=False)
    return _NOT_ASCII.sub(lambda found: found[0] if found[0].isprintable() else json.dumps(found[0])[1:-1], text)


def _unicode(text: str) -> str:
    r"""Return text without surrogates: bytes of a file name that are not UTF-8 become ``\xNN``."""
    return _SURROGATES.sub(lambda found: _decoded(found[0]), text)


def _decoded(surrogates: str) -> str:
    try:
        return surrogates.encode("ascii", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # it does not stand for a byte
        return ascii(surrogates)[1:-1]


def _jsonable(value: Any) -> Any:
    """Return the JSON value of paths, dataclasses and numpy scalars."""
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    if isinstance(value, Mapping):
        return {_unicode(str(key)): _jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_jsonable(item) for item in value]
    if hasattr(value, "item"):  # numpy
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, int) else _unicode(str(value))
