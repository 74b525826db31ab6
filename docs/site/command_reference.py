"""The command reference and the settings file, from the program's own command tree."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from pcqtool.cli import app
from pcqtool.cli.common import flags, settings_text

# Typer ends an option's help with its environment variable, default and range.
_EXTRA = re.compile(r"^(?P<help>.*?) *(?:\[(?P<extra>(?:env var|default|required|[-\dx.]+ ?[<>]).*)\])?$", re.DOTALL)


def commands() -> str:
    """Return the reference of all commands in Markdown."""
    program = app.program()
    groups = {name: command for name, command in program.commands.items() if hasattr(command, "commands")}
    lines = ["## Common options", "", "Every command accepts them.", "", *_entries(_options(program)[flags.PANEL])]
    named = None
    for path, command in settings_text.commands_of(program):
        if len(path) > 1 and path[0] != named:
            named = path[0]
            lines += [f"## pcqtool {named}", "", groups[named].help or "", ""]
        lines += _command(path, command)
    return "\n".join(lines)


def settings_sample() -> str:
    """Return the output of ``pcqtool config sample`` in Markdown."""
    return f"```toml\n{settings_text.sample(app.program()).rstrip()}\n```"


def _command(path: tuple[str, ...], command: Any) -> Iterator[str]:
    context = command.context_class(command, info_name="")
    usage = " ".join(["pcqtool", *path, *command.collect_usage_pieces(context)])
    examples = (command.epilog or "").partition("Examples:\n")[2]
    yield from (f"##{'#' * (len(path) > 1)} pcqtool {' '.join(path)}", "", _prose(command.help), "")
    yield from ("```", usage, "```", "")
    for panel, options in _options(command).items():
        if panel != flags.PANEL:
            yield from (f"**{panel}**", "", *_entries(options))
    if examples:
        lines = [line.strip() for line in examples.splitlines()]
        yield from ("**Examples**", "", "```", *lines, "```", "")


def _options(command: Any) -> dict[str, list[tuple[str, str]]]:
    """Return names and help of arguments and options, by their section in the help; no ``--help``."""
    context = command.context_class(command, info_name="")
    sections: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for param in command.get_params(context):
        record = param.get_help_record(context)
        if record is None or param.name == "help":
            continue
        is_argument = param.param_type_name == "argument"
        usual = "Arguments" if is_argument else "Options"
        name = record[0].partition(" <")[0] if is_argument else record[0]
        sections[getattr(param, "rich_help_panel", None) or usual].append((name, record[1]))
    return sections


def _entries(options: list[tuple[str, str]]) -> Iterator[str]:
    """Yield a list of definitions."""
    for name, text in options:
        found = _EXTRA.match(text)
        about, extra = (found["help"], found["extra"]) if found else (text, None)
        yield f"`{name}`"
        yield f":   {_prose(about) or 'No help.'}" + (f" <small>{_escaped(extra)}</small>" if extra else "")
        yield ""


def _prose(text: str | None) -> str:
    """Return a help text as Markdown: options as code, and nothing else marked up."""
    return re.sub(r"(?<![\w`-])(--?[a-z][\w-]*)", r"`\1`", _escaped(text or ""))


def _escaped(text: str) -> str:
    return re.sub(r"([*_<>\[\]])", r"\\\1", text)
