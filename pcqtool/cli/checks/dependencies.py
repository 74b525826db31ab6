"""Checks of Python, pcqtool, its dependencies, and the libraries that decode audio."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, requires, version

from packaging.requirements import Requirement

from pcqtool.cli.checks.finding import Finding, fault, ok, warning
from pcqtool.errors import ModelError
from pcqtool.version import __version__

DISTRIBUTION = "pcqtool"
OLDEST_PYTHON = (3, 11)
FFMPEG_CODECS = ("aac", "amrnb", "amrwb", "mp3", "opus")


def versions() -> list[Finding]:
    """Check the versions of Python, pcqtool and each dependency, without importing them."""
    return [_python(), _installation(), *(_dependency(each) for each in requirements())]


def requirements() -> list[Requirement]:
    """Return the dependencies in the installed metadata, without extras; none if pcqtool is not installed."""
    try:
        lines: Iterable[str] = requires(DISTRIBUTION) or ()
    except PackageNotFoundError:
        return []
    dependencies = map(Requirement, lines)
    return [each for each in dependencies if each.marker is None or each.marker.evaluate({"extra": ""})]


def libsndfile() -> list[Finding]:
    """Check libsndfile and its support of MP3 and Opus."""
    import soundfile

    formats = {"MP3": "MP3" in soundfile.available_formats(), "Opus": "OPUS" in soundfile.available_subtypes("OGG")}
    missing = [name for name, supported in formats.items() if not supported]
    found = f"{soundfile.__libsndfile_version__} (soundfile {soundfile.__version__})"
    if not missing:
        return [ok("libsndfile", f"{found}, with MP3 and Opus")]
    remedy = "Such files go through FFmpeg instead. For libsndfile 1.2 or newer: pip install --upgrade soundfile"
    return [warning("libsndfile", f"{found}, without {' and '.join(missing)}", remedy)]


def ffmpeg() -> list[Finding]:
    """Check the FFmpeg libraries of PyAV."""
    import av

    missing = [codec for codec in FFMPEG_CODECS if codec not in av.codecs_available]
    libraries = ", ".join(
        f"{name} {'.'.join(map(str, av.library_versions[name]))}" for name in ("libavcodec", "libavformat")
    )
    found = f"{getattr(av, 'ffmpeg_version_info', '')} (PyAV {av.__version__}, {libraries})".strip()
    if missing:
        return [warning("FFmpeg", f"{found}, without {', '.join(missing)}", "pip install --force-reinstall av")]
    return [ok("FFmpeg", found)]


def voice_activity() -> list[Finding]:
    """Check that the weights of voice activity detection can be read."""
    from pcqtool.audio.vad_network import WEIGHTS, read_weights

    check = "voice activity model"
    try:
        read_weights()
    except ModelError as error:
        return [fault(check, error.what, "pip install --force-reinstall pcqtool")]
    return [ok(check, WEIGHTS.name)]


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
    specifier = str(requirement.specifier) or "any version"
    remedy = f'pip install "{requirement.name}{requirement.specifier}"'
    try:
        installed = version(requirement.name)
    except PackageNotFoundError:
        return fault(requirement.name, f"not installed; needed: {specifier}", remedy)
    if requirement.specifier.contains(installed, prereleases=True):
        return ok(requirement.name, installed)
    return fault(requirement.name, f"{installed}; needed: {specifier}", remedy)
