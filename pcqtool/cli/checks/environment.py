"""Checks of environment variables, the settings file, and free disk space."""

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
from pcqtool.files.display import expand_home

MIN_FREE_GIB = 1.0


def _folder_problem(value: str) -> str:
    return "" if expand_home(value).is_dir() else "is not a directory"


def _folders_problem(value: str) -> str:
    missing = [folder for folder in value.split(os.pathsep) if _folder_problem(folder)]
    return f"contains a path that is not a directory: {', '.join(missing)}" if missing else ""


def _file_problem(value: str) -> str:
    return "" if expand_home(value).is_file() else "is not a file"


def _model_problem(value: str) -> str:
    path = expand_home(value)
    looks_like_path = path.is_absolute() or value.startswith(".")
    return "is not a directory" if looks_like_path and not path.is_dir() else ""


def _device_problem(value: str) -> str:
    known = re.fullmatch(r"auto|cpu|mps|cuda|cuda:(\d+(,cuda:\d+)*|all)", value)
    return "" if known else "must be auto, cpu, cuda, cuda:N, mps, or several GPUs"


def _count_problem(value: str) -> str:
    return "" if value.isascii() and value.isdecimal() else "is not a whole number from 0"


VARIABLES: dict[str, Callable[[str], str]] = {
    "PCQTOOL_CACHE": lambda value: "",  # created on demand
    "PCQTOOL_CONFIG": _file_problem,
    "PCQTOOL_CORPORA": _folder_problem,
    "PCQTOOL_DEVICE": _device_problem,
    "PCQTOOL_ENCODERS": _folders_problem,
    "PCQTOOL_JOBS": _count_problem,
    "PCQTOOL_LOG": lambda value: "",  # a wrong value is refused by every command
    "PCQTOOL_MODEL": _model_problem,
}


def environment() -> list[Finding]:
    """Check each PCQTOOL_ variable that is set."""
    return [_variable(name, os.environ[name]) for name in sorted(os.environ) if name.startswith("PCQTOOL_")]


def _variable(name: str, value: str) -> Finding:
    if name not in VARIABLES:
        near = get_close_matches(name, VARIABLES, n=1)
        remedy = f"Did you mean {near[0]}?" if near else f"Known: {', '.join(VARIABLES)}."
        return warning(name, f"{value!r}, but nothing reads this variable", remedy)
    problem = VARIABLES[name](value) if value else ""
    return warning(name, f"{value!r} {problem}", f"Correct {name} or unset it.") if problem else ok(name, value)


def settings_file(file: Path | None, root: Any) -> list[Finding]:
    """Check the settings file, if there is one, against the options of the command tree ``root``."""
    if file is None:
        return []
    try:
        config.check(file, root)
    except SettingsError as error:
        return [warning("settings file", error.what, error.hint)]
    return [ok("settings file", str(file))]


def disk() -> list[Finding]:
    """Check the free space in the current directory, where results would be written."""
    directory = Path.cwd()
    free_gib = shutil.disk_usage(directory).free / 2**30
    found = f"{free_gib:,.1f} GiB free in {directory}"
    if free_gib < MIN_FREE_GIB:
        return [warning("disk", found, "Make room, or write the results elsewhere with --out.")]
    return [ok("disk", found)]
