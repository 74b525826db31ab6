"""Text that can be shown: a line stays one line and JSON stays JSON, whatever names and others' words hold."""

from __future__ import annotations

import codecs
import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from typing import Any

_KEPT = "\t\N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}"
_NO_CHARACTERS = re.compile("[\udc80-\udcff]+|[\ud800-\udfff]")
_NOT_ASCII = re.compile(r"[^\n -~]")


def one_line(text: str, encoding: str = "utf-8") -> str:
    r"""A text as one line: line ends, control characters and what the encoding lacks as escapes such as ``\n``."""
    shown = "".join(c if c.isprintable() or c in _KEPT else ascii(c)[1:-1] for c in _unicode(text))
    return shown.encode(encoding, "backslashreplace").decode(encoding)


def json_text(value: object, encoding: str = "utf-8", indent: int | None = None) -> str:
    r"""A value as JSON that every parser accepts and every stream takes.

    What is not a number in JSON (NaN, infinity) becomes null. What cannot be seen is written ``\u00ad``, and so is all
    that is not ASCII where the encoding is none of Unicode. A byte of a name that is not UTF-8 becomes the four
    characters ``\xNN``, as in the result tables: JSON has no form for it.
    """
    unicode = codecs.lookup(encoding).name.startswith("utf")
    text = json.dumps(_jsonable(value), ensure_ascii=not unicode, indent=indent, allow_nan=False)
    return _NOT_ASCII.sub(lambda found: found[0] if found[0].isprintable() else json.dumps(found[0])[1:-1], text)


def _unicode(text: str) -> str:
    r"""A text without halves of characters: bytes of a file name that Python could not decode are shown as ``\xNN``."""
    return _NO_CHARACTERS.sub(lambda found: _decoded(found[0]), text)


def _decoded(halves: str) -> str:
    try:
        return halves.encode("ascii", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # it stands for no byte
        return ascii(halves)[1:-1]


def _jsonable(value: Any) -> Any:
    """The plain value behind paths, dataclasses and numpy scalars."""
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
