"""openSMILE in a worker process, in a file of its own so that the process loads nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

_smile: Any = None


def load(feature_set: str = "ComParE_2016") -> None:
    """Load the functionals of one of openSMILE's feature sets into this process."""
    global _smile
    import opensmile

    _smile = opensmile.Smile(
        feature_set=getattr(opensmile.FeatureSet, feature_set), feature_level=opensmile.FeatureLevel.Functionals
    )


def extract(paths: Sequence[str]) -> Any:
    """Return the functionals of files, a row each, as a pandas frame."""
    return _smile.process_files(paths)
