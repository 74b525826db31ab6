"""Common flags of all commands, accepted before and after the command's name."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from typer.core import TyperGroup

from pcqtool.cli.common import config, console
from pcqtool.files.display import expand_home
from pcqtool.version import __version__

PANEL = "Common options"

_LEVEL_FROM_FLAG = "pcqtool.level_from_flag"
_CONFIG = "pcqtool.config"


def _print_version(wanted: bool) -> None:
    if wanted:
        console.print_text(f"pcqtool {__version__}")
        raise typer.Exit


def _set_level(ctx: typer.Context, param: typer.CallbackParam, wanted: bool) -> None:
    """Set the level by the last flag on the command line, or else by the settings file."""
    if not wanted:
        return
    typed = _source(ctx, param) == "COMMANDLINE"
    if typed or not ctx.meta.get(_LEVEL_FROM_FLAG):
        console.set_level(console.Level[str(param.name).upper()])
        ctx.meta[_LEVEL_FROM_FLAG] = typed


def _set_log(ctx: typer.Context, param: typer.CallbackParam, form: str) -> None:
    """Set the format of messages; the last flag typed wins."""
    if _source(ctx, param) != "DEFAULT":
        console.log_as(form)


def _use_config(ctx: typer.Context, param: typer.CallbackParam, file: Path | None) -> None:
    """Store the settings file's path. The command reads the file, so that its ``--help`` works with a broken file."""
    if file is not None and (_source(ctx, param) == "COMMANDLINE" or _CONFIG not in ctx.meta):
        ctx.meta[_CONFIG] = expand_home(file)
    if isinstance(ctx.command, TyperGroup) or ctx.resilient_parsing:
        return
    if (used := config_file(ctx)) is not None:
        ctx.default_map = config.defaults_for(_path(ctx), used, ctx.find_root().command)


def config_file(ctx: typer.Context) -> Path | None:
    """Return the settings file of this run: the named one, or else the one that is found."""
    if _CONFIG not in ctx.meta:
        ctx.meta[_CONFIG] = config.find()
    file: Path | None = ctx.meta[_CONFIG]
    return file


def note_config(ctx: typer.Context) -> None:
    """Show, with ``--verbose``, which settings file a command uses."""
    if ctx.meta.get(_CONFIG) is not None:
        console.debug(f"settings file: {ctx.meta[_CONFIG]}")


def _source(ctx: typer.Context, param: typer.CallbackParam) -> str:
    source = ctx.get_parameter_source(str(param.name))
    return source.name if source else ""


def _path(ctx: Any) -> tuple[str, ...]:
    return (*_path(ctx.parent), ctx.info_name) if ctx.parent is not None else ()


Version = Annotated[
    bool,
    typer.Option("--version", "-V", help="Show the version and exit.", callback=_print_version, is_eager=True),
]
Verbose = Annotated[
    bool,
    typer.Option(
        "--verbose",
        "-v",
        help="Show details on stderr.",
        callback=_set_level,
        expose_value=False,
        rich_help_panel=PANEL,
    ),
]
Quiet = Annotated[
    bool,
    typer.Option(
        "--quiet",
        "-q",
        help="Show only warnings and errors; no progress.",
        callback=_set_level,
        expose_value=False,
        rich_help_panel=PANEL,
    ),
]
Debug = Annotated[
    bool,
    typer.Option(
        "--debug",
        help="Show all details, and the traceback of an error.",
        callback=_set_level,
        expose_value=False,
        rich_help_panel=PANEL,
    ),
]
Log = Annotated[
    Literal["text", "json"],
    typer.Option(
        "--log",
        help="Format of messages on stderr: text for people, or one JSON object per line.",
        envvar="PCQTOOL_LOG",
        callback=_set_log,
        expose_value=False,
        rich_help_panel=PANEL,
    ),
]
Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE.toml",
        help="Read options from a file with a table per command. Flags and environment variables win. "
        "Default: pcqtool.toml here, else the user's.",
        envvar=config.VARIABLE,
        callback=_use_config,
        is_eager=True,
        expose_value=False,
        rich_help_panel=PANEL,
    ),
]


def add_common_flags(root: TyperGroup) -> TyperGroup:
    """Add the root's common flags to every command below it."""
    common = [param for param in root.params if getattr(param, "rich_help_panel", None) == PANEL]
    for command in _below(root):
        own = {param.name for param in command.params}
        command.params += [param for param in common if param.name not in own]
    return root


def _below(group: TyperGroup) -> list[Any]:
    """Return all commands and groups inside a group."""
    return [
        found
        for command in group.commands.values()
        for found in (command, *(_below(command) if isinstance(command, TyperGroup) else ()))
    ]
