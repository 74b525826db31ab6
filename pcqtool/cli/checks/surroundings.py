"""Environment variables, the settings file, and room on the disk."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pcqtool.cli.checks.finding import Finding, ok, warning
from pcqtool.cli.common import config
from pcqtool.errors import SettingsError
from pcqtool.tables.paths import at_home

LITTLE_SPACE_GIB = 1.0


def _no_folder(value: str) -> str:
    return "" if at_home(value).is_dir() else "is not a directory"


def _no_folders(value: str) -> str:
    lacking = [folder for folder in value.split(os.pathsep) if _no_folder(folder)]
    return f"names what is not a directory: {', '.join(lacking)}" if lacking else ""


def _no_file(value: str) -> str:
    return "" if at_home(value).is_file() else "is not a file"


def _no_model(value: str) -> str:
    path = at_home(value)
    looks_like_path = path.is_absolute() or value.startswith(".")
    return "is not a directory" if looks_like_path and not path.is_dir() else ""


def _no_device(value: str) -> str:
    known = re.fullmatch(r"auto|cpu|mps|cuda|cuda:(\d+(,cuda:\d+)*|all)", value)
    return "" if known else "is none of auto, cpu, cuda, cuda:N, mps, or several GPUs"


def _no_count(value: str) -> str:
    return "" if value.isascii() and value.isdecimal() else "is not a whole number from 0"


VARIABLES: dict[str, Callable[[str], str]] = {
    "PCQTOOL_CACHE": lambda value: "",  # made when it is needed
    "PCQTOOL_CONFIG": _no_file,
    "PCQTOOL_CORPORA": _no_folder,
    "PCQTOOL_DEVICE": _no_device,
    "PCQTOOL_ENCODERS": _no_folders,
    "PCQTOOL_JOBS": _no_count,
    "PCQTOOL_MODEL": _no_model,
}


def environment() -> list[Finding]:
    """Check each variable of ours that is set."""
    return [_variable(name, os.environ[name]) for name in sorted(os.environ) if name.startswith("PCQTOOL_")]


def _variable(name: str, value: str) -> Finding:
    if name not in VARIABLES:
        near = get_close_matches(name, VARIABLES, n=1)
        remedy = f"Did you mean {near[0]}?" if near else f"Known: {', '.join(VARIABLES)}."
        return warning(name, f"{value!r}, but nothing reads this variable", remedy)
    complaint = VARIABLES[name](value) if value else ""
    return warning(name, f"{value!r} {complaint}", f"Correct {name} or unset it.") if complaint else ok(name, value)


def settings_file(file: Path | None, root: Any) -> list[Finding]:
    """Check the settings file, if one is in force, against the command tree ``root``."""
    if file is None:
        return []
    try:
        config.check(file, root)
    except SettingsError as error:
        return [warning("settings file", error.what, error.hint)]
    return [ok("settings file", str(file))]


def disk() -> list[Finding]:
    """Check the room where results would be written: the current directory."""
    place = Path.cwd()
    free_gib = shutil.disk_usage(place).free / 2**30
    found = f"{free_gib:,.1f} GiB free in {place}"
    if free_gib < LITTLE_SPACE_GIB:
        return [warning("disk", found, "Make room, or write the results elsewhere with --out.")]
    return [ok("disk", found)]
