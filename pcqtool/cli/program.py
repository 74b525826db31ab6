"""What a program and a group of commands look like here: plain help in sections.

Typer's framed help loads a Markdown and a syntax-highlighting library first, which takes twice as long as everything
else that ``--help`` does.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any, TypeVar

import typer
from typer.core import TyperCommand, TyperGroup

Function = TypeVar("Function", bound=Callable[..., Any])

SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class Program(typer.Typer):
    """A typer app; ``rich_help_panel`` of an option or a command names its section in the help."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(
            cls=_Group,
            context_settings=SETTINGS,
            no_args_is_help=True,
            rich_markup_mode=None,
            pretty_exceptions_enable=False,
            **settings,
        )

    def command(self, *arguments: Any, **settings: Any) -> Callable[[Function], Function]:
        """Register a function as a command, as ``typer.Typer.command`` does."""
        return super().command(*arguments, cls=_Command, **settings)


class _Command(TyperCommand):
    def format_options(self, ctx: Any, formatter: Any) -> None:
        _write_options(self, ctx, formatter)


class _Group(TyperGroup):
    def format_options(self, ctx: Any, formatter: Any) -> None:
        commands = [(name, self.commands[name]) for name in self.list_commands(ctx) if not self.commands[name].hidden]
        room = formatter.width - 6 - max(len(name) for name, _ in commands)
        sections = defaultdict(list)
        for name, command in commands:
            section = getattr(command, "rich_help_panel", None) or "Commands"
            sections[section].append((name, command.get_short_help_str(room)))
        _write(sections, formatter)
        _write_options(self, ctx, formatter)


def _write_options(command: Any, ctx: Any, formatter: Any) -> None:
    sections: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": []}
    for param in command.get_params(ctx):
        usual = "Arguments" if param.param_type_name == "argument" else "Options"
        record = param.get_help_record(ctx)
        if record is not None:
            sections.setdefault(getattr(param, "rich_help_panel", None) or usual, []).append(record)
    _write(sections, formatter)


def _write(sections: dict[str, list[tuple[str, str]]], formatter: Any) -> None:
    for title, rows in sections.items():
        if rows:
            with formatter.section(title):
                formatter.write_dl(rows)
