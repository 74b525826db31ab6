"""openSMILE in a worker process, in a file of its own so that the process loads nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

_smile: Any = None


def load() -> None:
    """Load openSMILE's ComParE 2016 functionals into this process."""
    global _smile
    import opensmile

    _smile = opensmile.Smile(
        feature_set=opensmile.FeatureSet.ComParE_2016, feature_level=opensmile.FeatureLevel.Functionals
    )


def extract(paths: Sequence[str]) -> Any:
    """Return the functionals of files, a row each, as a pandas frame."""
    return _smile.process_files(paths)
