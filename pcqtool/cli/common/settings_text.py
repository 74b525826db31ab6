"""Settings as text: values and where they come from, and a sample of a whole file."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pcqtool.cli.common import config, durations

WIDTH = 80

SAMPLE_HEAD = f"""\
Settings of pcqtool: a table per command, with its options. Remove the # before a setting, and change its value. \
Most settings show their default; one in capital letters, such as "N", has none.

pcqtool uses the file that --config or {config.VARIABLE} names, else {config.NAME} in the current directory, else \
{config.NAME} in the configuration folder of the user. Flags and environment variables win over the file. \
'pcqtool config show' shows what is set."""


@dataclass(frozen=True)
class Setting:
    """The value of an option, and where it comes from.

    Attributes:
        command: the command's name, such as ``corpora list``; empty for options of all commands.
        option: long name without dashes.
        value: text, number or truth value, a list of texts, or None.
        source: ``environment``, ``file`` or ``default``.
        name: the environment variable or the file; None for a default.
    """

    command: str
    option: str
    value: object
    source: str
    name: str | None

    @property
    def origin(self) -> str:
        """The source in words: ``environment variable PCQTOOL_JOBS``."""
        kind = "environment variable" if self.source == "environment" else self.source
        return f"{kind} {self.name}" if self.name else kind


def settings_of(path: tuple[str, ...], command: Any, root: Any, file: Path | None) -> list[Setting]:
    """Return the options of a command, with their values for a run without flags.

    Args:
        path: names of the command, such as ``("corpora", "info")``; empty for the whole program.
        command: the command.
        root: the program's typer group.
        file: the settings file; None for none.

    Raises:
        SettingsError: if the file cannot be read or has an unknown key.
    """
    context = command.context_class(command, info_name=" ".join(path))
    context.default_map = {} if file is None else config.defaults_for(path, file, root)
    found = []
    for option_name, option in config.options_of(command).items():
        value, source = option.consume_value(context, {})
        origin = {"ENVIRONMENT": ("environment", option.envvar), "DEFAULT_MAP": ("file", str(file))}
        found.append(
            Setting(" ".join(path), option_name, _shown(option, value), *origin.get(source.name, ("default", None)))
        )
    return found


def all_set(root: Any, file: Path | None) -> list[Setting]:
    """Return the options of all commands that the file or an environment variable sets; common ones come once."""
    found = [each for each in settings_of((), root, root, file) if each.source != "default"]
    common = [(each.option, each.value) for each in found]
    for path, command in commands_of(root):
        own = settings_of(path, command, root, file)
        found += [each for each in own if each.source != "default" and (each.option, each.value) not in common]
    return found


def commands_of(group: Any, before: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield all commands inside a group, each with its names; no groups."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands_of(command, (*before, name))
        elif not command.hidden:
            yield (*before, name), command


def sample(root: Any) -> str:
    """Return a settings file with all options of all commands, each commented out below its help."""
    lines = [*_comment(SAMPLE_HEAD), "", *_entries(root, set())]
    common = set(config.options_of(root))
    for path, command in commands_of(root):
        if entries := _entries(command, common):
            about = command.help.split("\n\n")[0]
            lines += [f"[{'.'.join(path)}]", *_comment(about), "", *entries]
    return "\n".join(lines).rstrip() + "\n"


def _entries(command: Any, without: set[str]) -> list[str]:
    """Return the lines for a command's options, those not in ``without``."""
    context = command.context_class(command, info_name="")
    lines: list[str] = []
    for name, option in config.options_of(command).items():
        if option.hidden or name in without:
            continue
        help_text = option.help or ""
        metavar = option.metavar or option.get_help_record(context)[0].rpartition(" ")[2].strip("[]<>")
        if option.metavar is None and "|" in metavar:
            help_text += f" One of: {metavar.replace('|', ', ')}."
            metavar = "NAME"
        if option.envvar:
            help_text += f" Environment: {option.envvar}."
        value = _shown(option, option.get_default(context))
        if value in (None, [], ""):
            value = [metavar] if option.multiple else metavar
        lines += [*_comment(help_text), f"#{name} = {json.dumps(value, ensure_ascii=False)}", ""]
    return lines


def _shown(option: Any, value: Any) -> Any:
    """Return a raw value of an option as a settings file has it."""
    if isinstance(value, list | tuple):
        return [str(each) for each in value]
    if option.is_flag:
        return value if isinstance(value, bool) else str(value).lower() in ("1", "true", "t", "yes", "y", "on")
    if isinstance(value, float) and option.metavar == "TIME":
        return durations.duration_text(value)
    return value if value is None or isinstance(value, bool | int | float) else str(value)


def _comment(text: str) -> list[str]:
    """Return text as lines of comments; these begin with ``# ``, settings that are commented out only with ``#``."""
    return [
        f"# {line}".rstrip()
        for paragraph in text.split("\n\n")
        for line in (*textwrap.wrap(" ".join(paragraph.split()), WIDTH - 2, break_on_hyphens=False), "")
    ][:-1]
