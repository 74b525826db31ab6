"""Features for other people's models: spectrograms, encoder frames, fusion vectors, and their statistics over files.

``Extractor`` puts them into a pipeline of scikit-learn, ``read`` gives what ``pcqtool extract`` wrote as an array.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pcqtool.features.transformer import Extractor
    from pcqtool.tables.arrays import read

__all__ = ["Extractor", "read"]


def __getattr__(name: str) -> Any:
    """Import what is asked for only then: scikit-learn takes seconds, and the command line needs none of it."""
    if name == "Extractor":
        from pcqtool.features.transformer import Extractor

        return Extractor
    if name == "read":
        from pcqtool.tables.arrays import read

        return read
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
