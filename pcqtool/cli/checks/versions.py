"""Python, pcqtool itself, and whether each dependency has a version that it asks for."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, requires, version

from packaging.requirements import Requirement

from pcqtool.cli.checks.finding import Finding, fault, ok, warning
from pcqtool.version import __version__

DISTRIBUTION = "pcqtool"
OLDEST_PYTHON = (3, 11)


def versions() -> list[Finding]:
    """Check Python, the installation, and each dependency without importing it."""
    return [_python(), _installation(), *(_dependency(each) for each in requirements())]


def requirements() -> list[Requirement]:
    """The dependencies, without extras, as the installed metadata names them; none where nothing is installed."""
    try:
        lines: Iterable[str] = requires(DISTRIBUTION) or ()
    except PackageNotFoundError:
        return []
    wanted = map(Requirement, lines)
    return [each for each in wanted if each.marker is None or each.marker.evaluate({"extra": ""})]


def _python() -> Finding:
    found = f"{platform.python_version()} at {sys.executable}"
    if sys.version_info >= OLDEST_PYTHON:
        return ok("Python", found)
    return fault("Python", found, f"Use Python {'.'.join(map(str, OLDEST_PYTHON))} or newer.")


def _installation() -> Finding:
    try:
        installed = version(DISTRIBUTION)
    except PackageNotFoundError:
        return warning(
            "pcqtool",
            f"{__version__}, run from its source without being installed, so that no corpus is registered",
            "In the source directory: pip install -e .",
        )
    if installed == __version__:
        return ok("pcqtool", installed)
    return warning(
        "pcqtool", f"{__version__}, but installed as {installed}", "In the source directory: pip install -e ."
    )


def _dependency(requirement: Requirement) -> Finding:
    wanted = str(requirement.specifier) or "any version"
    remedy = f'pip install "{requirement.name}{requirement.specifier}"'
    try:
        installed = version(requirement.name)
    except PackageNotFoundError:
        return fault(requirement.name, f"not installed; needed: {wanted}", remedy)
    if requirement.specifier.contains(installed, prereleases=True):
        return ok(requirement.name, installed)
    return fault(requirement.name, f"{installed}; needed: {wanted}", remedy)
