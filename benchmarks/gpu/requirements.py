"""``python -m benchmarks.gpu.requirements``: packages of labelling that this environment lacks, one a line."""

from __future__ import annotations

import sys
import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]

UNUSED = ("jinja2", "openvino", "polars", "pyyaml", "scikit-learn", "scipy")
"""Dependencies of pcqtool that labelling with torch does not import."""

OPTIONAL = ("av",)
"""Without it there are no MP3 files among the recordings; it is the largest of the wheels."""


def missing(project: Path = ROOT / "pyproject.toml") -> list[str]:
    """Return the requirements of labelling that are not installed, or not in a version that fits."""
    wanted = [Requirement(text) for text in tomllib.loads(project.read_text("utf-8"))["project"]["dependencies"]]
    return [str(each) for each in wanted if each.name.lower() not in UNUSED and not _is_installed(each)]


def _is_installed(requirement: Requirement) -> bool:
    try:
        return requirement.specifier.contains(version(requirement.name), prereleases=True)
    except PackageNotFoundError:
        return False


if __name__ == "__main__":
    required = "--required" in sys.argv[1:]
    print("\n".join(each for each in missing() if not (required and Requirement(each).name in OPTIONAL)))
