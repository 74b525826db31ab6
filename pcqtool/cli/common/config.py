"""The settings file: TOML with a table for each command.

Its values become typer's ``default_map``: a flag wins over an environment variable, a variable over the file, and the
file over a default. Without a named file, ``find`` searches one.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from datetime import date, time
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import typer

from pcqtool import toml
from pcqtool.errors import SettingsError

NAME = "pcqtool.toml"
"""Name of a settings file that is found without being named."""

VARIABLE = "PCQTOOL_CONFIG"
"""Environment variable that names the settings file; set but empty, it means no file at all."""

NOT_IN_FILE = {"config", "version", "help", "install_completion", "show_completion"}


def places() -> tuple[Path, ...]:
    """Return where a settings file is searched: the current directory, then the user's configuration folder."""
    folder = Path(typer.get_app_dir("pcqtool"))
    return (Path(NAME), *([folder / NAME] if folder.is_absolute() else []))


def find() -> Path | None:
    """Return the first settings file of ``places``; None if there is none, or if ``PCQTOOL_CONFIG`` is empty."""
    if os.environ.get(VARIABLE) == "":
        return None
    return next((place for place in places() if os.path.isfile(place)), None)  # noqa: PTH113  (raises no errors)


def why_none() -> str:
    """Return why ``find`` returns None."""
    if os.environ.get(VARIABLE) == "":
        return f"{VARIABLE} is empty"
    return f"there is none at {' or '.join(str(place) for place in places())}"


def defaults_for(command_path: Iterable[str], file: Path, root: Any) -> dict[str, Any]:
    """Check a whole settings file, and return its options for one command.

    Args:
        command_path: names of the command, such as ``("corpora", "info")``.
        file: TOML file; table ``[label]`` has the options of ``pcqtool label``; common flags may come first.
        root: the program's typer group.

    Returns:
        Values by parameter name, for typer's ``default_map``.

    Raises:
        SettingsError: if the file cannot be read, is not TOML, or has an unknown key or an invalid value.
    """
    tables = _checked(read(file), root, file, "")
    common = {name: value for name, value in tables.items() if not isinstance(value, dict)}
    for name in command_path:
        tables = tables.get(name, {})
    return {**common, **{name: value for name, value in tables.items() if not isinstance(value, dict)}}


def check(file: Path, root: Any) -> None:
    """Check a settings file; raises the errors of ``defaults_for``."""
    defaults_for((), file, root)


def read(file: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        SettingsError: if it cannot be read or is not TOML.
    """
    try:
        return toml.load(file, 'Write a setting as: key = "value"')
    except OSError as error:
        raise SettingsError(
            f"cannot read the settings file {file}: {error.strerror}", f"Check --config and {VARIABLE}."
        ) from error


def _checked(table: Mapping[str, Any], command: Any, file: Path, where: str) -> dict[str, Any]:
    """Return a table with parameter names as keys, checked; inner tables too."""
    options = options_of(command)
    commands = getattr(command, "commands", {})
    checked: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, dict):
            if key not in commands:
                raise _unknown("table", key, commands, file, where)
            checked[key] = _checked(value, commands[key], file, f"{where}{key}.")
            continue
        option = options.get(key.replace("_", "-"))
        if option is None:
            raise _unknown("key", key, options, file, where)
        place = f"{file}: {key}{_inside(where)}"
        if option.multiple:
            checked[option.name] = [_as_typed(each, place) for each in (value if isinstance(value, list) else [value])]
        else:
            checked[option.name] = value if option.is_flag else _as_typed(value, place)
    return checked


def _as_typed(value: object, place: str) -> str:
    """Return the text that a user would type for a value; typer converts and checks it."""
    if isinstance(value, date | time):
        text = value.isoformat()
    elif isinstance(value, str | int | float):
        text = str(value).lower() if isinstance(value, bool) else str(value)
    else:
        kind = "a list" if isinstance(value, list) else "a table"
        raise SettingsError(f"{place} takes one value, not {kind}", "Write text, a number or a date.")
    if not text or "\0" in text:
        raise SettingsError(f"{place} is {'not text' if text else 'empty'}", "Leave it out, or give it a value.")
    return text


def options_of(command: Any) -> dict[str, Any]:
    """Return a command's options by long name: ``{"batch-size": option}``."""
    return {
        flag.removeprefix("--"): option
        for option in command.params
        if option.param_type_name == "option" and option.name not in NOT_IN_FILE
        for flag in option.opts
        if flag.startswith("--")
    }


def _unknown(kind: str, name: str, known: Iterable[str], file: Path, where: str) -> SettingsError:
    names = sorted(known)
    near = get_close_matches(name.replace("_", "-"), names, n=1)
    hint = f"Did you mean {near[0]!r}?" if near else f"Known here: {', '.join(names) or 'nothing'}."
    return SettingsError(f"{file}: unknown {kind} {name!r}{_inside(where)}", hint)


def _inside(where: str) -> str:
    return f" in table [{where.rstrip('.')}]" if where else ""
