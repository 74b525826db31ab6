"""Download of public corpora: HTTP requests, resumable transfers, safe unpacking."""

from collections.abc import Callable

OnBytes = Callable[[int, int | None], None]
"""A callback for progress: the bytes so far and in all; None if the latter is unknown."""
