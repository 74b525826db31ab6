"""Files of weights in safetensors, never pickles: checked before they are used; no torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError, safe_open

from pcqtool.errors import ModelError
from pcqtool.model.untrusted_files import open_regular, printable, short_repr

FLOATS = ("F16", "BF16", "F32", "F64")
_HEADER_LIMIT = 8 * 2**20
"""Bytes; a header has about a hundred per tensor."""


def check_finite(path: Path, name: str, is_finite: bool) -> None:
    """Refuse weights that are not finite.

    Raises:
        ModelError: if they are not.
    """
    if not is_finite:
        raise ModelError(f"{path} is damaged: {name} contains values that are not finite")


def check_weights(path: Path, expected: Mapping[str, Sequence[int]]) -> None:
    """Check by the file's header alone that a model's weights fit its network.

    Raises:
        ModelError: if the file is missing or damaged, or a tensor is missing, unexpected, or of a wrong shape or type.
    """
    mismatch = f"{path} does not fit its config.json:"
    with checked_file(path), safe_open(path, framework="np") as file:
        names = set(file.keys())
        if missing := sorted(expected.keys() - names):
            raise ModelError(f"{mismatch} missing {', '.join(missing[:3])}")
        if unexpected := sorted(names - expected.keys()):
            raise ModelError(f"{mismatch} unexpected {', '.join(map(printable, unexpected[:3]))}")
        for name in names:
            found = file.get_slice(name)
            if (shape := tuple(found.get_shape())) != tuple(expected[name]):
                raise ModelError(f"{mismatch} {name} has shape {short_repr(shape)}")
            if (kind := found.get_dtype()) not in FLOATS:
                raise ModelError(f"{path} is damaged: {name} contains {kind} instead of floating-point numbers")


@contextmanager
def checked_file(path: Path) -> Iterator[None]:
    """Check the length of a weight file's header, and convert errors of reading it into a ``ModelError``."""
    try:
        with open_regular(path) as file:
            if int.from_bytes(file.read(8), "little") > _HEADER_LIMIT:
                raise ModelError(f"{path} is damaged: its header is too long", "Copy its directory again.")
        yield
    except OSError as error:
        reason = error.strerror or "it does not exist"
        raise ModelError(f"cannot read {path}: {reason}", "Is it a complete model directory?") from error
    except SafetensorError as error:
        raise ModelError(f"{path} is damaged: {error}", "Copy its directory again.") from error
