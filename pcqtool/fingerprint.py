"""Fingerprints of settings: equal settings have equal fingerprints, so a run knows which results it may resume."""

from __future__ import annotations

import hashlib
import json


def fingerprint(value: object, n_digits: int = 16) -> str:
    """Return the first hexadecimal digits of the SHA-256 of a value's JSON text; the order of keys does not matter.

    Args:
        value: JSON values, such as a list of everything that decides a result.
        n_digits: 64 for the whole hash.

    Raises:
        TypeError: if the value is not JSON.

    Examples:
        >>> fingerprint({"vad": True, "channels": "mix"})
        '9bebe138e6c9f40a'
    """
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:n_digits]
