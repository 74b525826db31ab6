"""The settings file: a TOML table for each command, read between the environment and the defaults.

The values go into typer's own ``default_map``, so that a flag beats an environment variable, a variable beats the
file, and the file beats a default.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, time
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pcqtool import toml
from pcqtool.errors import SettingsError

NOT_IN_FILE = {"config", "version", "help", "install_completion", "show_completion"}


def defaults_for(command_path: Iterable[str], file: Path, root: Any) -> dict[str, Any]:
    """Read the options that a file sets for one command, after a check of the whole file.

    Args:
        command_path: names below the program's, for instance ``("corpora", "info")``.
        file: TOML, with the options of ``pcqtool label`` in ``[label]`` and so on; common flags may stand on top.
        root: the program's typer group.

    Returns:
        Values by parameter name, as typer's ``default_map`` wants them.

    Raises:
        SettingsError: if the file cannot be read, is not TOML, or sets what does not exist.
    """
    tables = _checked(read(file), root, file, "")
    common = {name: value for name, value in tables.items() if not isinstance(value, dict)}
    for name in command_path:
        tables = tables.get(name, {})
    return {**common, **{name: value for name, value in tables.items() if not isinstance(value, dict)}}


def check(file: Path, root: Any) -> None:
    """Check a file as a whole; raises as ``defaults_for`` does."""
    defaults_for((), file, root)


def read(file: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        SettingsError: if it cannot be read or is not TOML.
    """
    try:
        return toml.load(file, 'A setting reads: key = "value"')
    except OSError as error:
        raise SettingsError(
            f"cannot read the settings file {file}: {error.strerror}", "Check --config and PCQTOOL_CONFIG."
        ) from error


def _checked(table: Mapping[str, Any], command: Any, file: Path, where: str) -> dict[str, Any]:
    """The table with parameter names for keys, and so the tables inside it."""
    options = _options(command)
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
    """The text that would be typed for a value, which typer converts and checks."""
    if isinstance(value, date | time):
        text = value.isoformat()
    elif isinstance(value, str | int | float):
        text = str(value).lower() if isinstance(value, bool) else str(value)
    else:
        kind = "a list" if isinstance(value, list) else "a table"
        raise SettingsError(f"{place} takes one value, not {kind}", "Text, a number, a date: what would be typed.")
    if not text or "\0" in text:
        raise SettingsError(f"{place} is {'not text' if text else 'empty'}", "Leave it out, or give it a value.")
    return text


def _options(command: Any) -> dict[str, Any]:
    """A command's options by their long names: ``{"batch-size": option}``."""
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
