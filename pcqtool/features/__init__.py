"""Features for other models: spectrograms, encoder frames, fusion vectors, and their statistics over files.

``Extractor`` is a transformer for scikit-learn's pipelines; ``read_features`` reads a table of ``pcqtool extract``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pcqtool.features.transformer import Extractor
    from pcqtool.tables.arrays import read_features

__all__ = ["Extractor", "read_features"]


def __getattr__(name: str) -> Any:
    """Import a name when it is first used: scikit-learn takes seconds, and the command line does not need it."""
    if name == "Extractor":
        from pcqtool.features.transformer import Extractor

        return Extractor
    if name == "read_features":
        from pcqtool.tables.arrays import read_features

        return read_features
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
