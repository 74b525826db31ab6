"""The program and its groups of commands, with plain help in sections.

Typer's framed help first loads a Markdown and a syntax-highlighting library, which takes twice as long as the rest of
``--help``.
"""

from __future__ import annotations

import functools
import os
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import typer
from typer.core import TyperCommand, TyperGroup

from pcqtool.cli.common import console, failures, flags
from pcqtool.errors import SettingsError
from pcqtool.files.display import expand_home

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

    def command(self, *arguments: Any, examples: str = "", **settings: Any) -> Callable[[Function], Function]:
        """Register a function as a command, as ``typer.Typer.command`` does.

        Args:
            arguments: positional arguments of ``typer.Typer.command``.
            examples: command lines that the help shows at its end, one per line.
            settings: keyword arguments of ``typer.Typer.command``.
        """
        lines = "".join(f"\n  {line.strip()}" for line in examples.strip().splitlines())
        register = super().command(
            *arguments, cls=_Command, epilog=f"\b\nExamples:{lines}" if lines else None, **settings
        )

        def registered(function: Function) -> Function:
            register(_expanding_home(function))
            return function

        return registered


class _Command(TyperCommand):
    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        _refuse_empty(args)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        flags.note_config(ctx)
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            if failures.stopped_by_a_library(error):
                raise MemoryError("a library could not be loaded, or was interrupted meanwhile") from error
            raise

    def get_help_option(self, ctx: Any) -> Any:
        return _printing(super().get_help_option(ctx))

    def format_options(self, ctx: Any, formatter: Any) -> None:
        _write_options(self, ctx, formatter)


class _Group(TyperGroup):
    def get_help_option(self, ctx: Any) -> Any:
        return _printing(super().get_help_option(ctx))

    def format_options(self, ctx: Any, formatter: Any) -> None:
        commands = [(name, self.commands[name]) for name in self.list_commands(ctx) if not self.commands[name].hidden]
        room = formatter.width - 6 - max(len(name) for name, _ in commands)
        sections = defaultdict(list)
        for name, command in commands:
            section = getattr(command, "rich_help_panel", None) or "Commands"
            sections[section].append((name, command.get_short_help_str(room)))
        _write(sections, formatter)
        _write_options(self, ctx, formatter)


def _expanding_home(function: Function) -> Function:
    """Wrap a function so that a leading ``~`` in its paths is expanded.

    A shell does not expand it in a settings file, in an environment file, between quotes or after ``--out=``.
    """

    @functools.wraps(function)
    def call(*arguments: Any, **named: Any) -> Any:
        return function(*arguments, **{name: _expand_home(value) for name, value in named.items()})

    return call  # type: ignore[return-value]


def _expand_home(value: Any) -> Any:
    if isinstance(value, list):
        return [_expand_home(each) for each in value]
    if isinstance(value, Path):
        return expand_home(value)
    # Only paths begin with "~". A file that is really called "~" or "~x", found by the shell's pattern, is kept.
    return (
        str(expand_home(value)) if isinstance(value, str) and value[:1] == "~" and not os.path.lexists(value) else value
    )


def _refuse_empty(arguments: list[str]) -> None:
    """Refuse an empty value, which comes from an unset shell variable and would mean the current folder."""
    for before, argument in zip(["", *arguments], arguments, strict=False):
        name, equals, value = argument.partition("=")
        if not argument or (equals and not value and name.startswith("--")):
            raise SettingsError(
                f"an empty value{f' for {before}' if before[:1] == '-' else ''}{f' for {name}' if argument else ''}",
                "Is a variable of the shell not set? Leave the option out, or give it a value.",
            )


def _printing(option: Any) -> Any:
    """Make ``--help`` print through the console; typer's own output ends in a traceback on a full disk."""

    def show(ctx: typer.Context, param: Any, wanted: bool) -> None:
        if wanted and not ctx.resilient_parsing:
            console.print_page(ctx.get_help())
            raise typer.Exit

    if option is not None:
        option.callback = show
    return option


def _write_options(command: Any, ctx: Any, formatter: Any) -> None:
    sections: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": []}
    for param in command.get_params(ctx):
        usual = "Arguments" if param.param_type_name == "argument" else "Options"
        record = param.get_help_record(ctx)
        if record is not None:
            if usual == "Arguments":  # typer adds the Python type to the name: "DIR <list[Path]>"
                record = (record[0].partition(" <")[0], record[1])
            sections.setdefault(getattr(param, "rich_help_panel", None) or usual, []).append(record)
    _write(sections, formatter)


def _write(sections: dict[str, list[tuple[str, str]]], formatter: Any) -> None:
    for title, rows in sections.items():
        if rows:
            with formatter.section(title):
                formatter.write_dl(rows)
