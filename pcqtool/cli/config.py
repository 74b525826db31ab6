"""``pcqtool config``: show the settings that apply, and print a sample of a settings file."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from pcqtool.cli.common import completion, config, console, flags, options, settings_text
from pcqtool.cli.common.program import Program
from pcqtool.errors import SettingsError
from pcqtool.json_format import JsonFormat

app = Program(help="Show the settings that apply, or a sample of a settings file.")


@app.command(
    "show",
    examples="""
    pcqtool config show
    pcqtool config show label
    pcqtool config show corpora list --json
    """,
)
def show_settings(
    ctx: typer.Context,
    command: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="COMMAND",
            help="Show all options of this command. Without it: what the file or the environment sets.",
            autocompletion=completion.commands,
        ),
    ] = None,
    json: options.Json = False,
) -> None:
    """Show options, their values, and where each comes from.

    A flag on a command line wins over an environment variable, a variable over the settings file.
    """
    root, file = ctx.find_root().command, flags.config_file(ctx)
    path = tuple(command or ())
    if path:
        found = settings_text.settings_of(path, _command(root, path), root, file)
    else:
        found = settings_text.all_set(root, file)
    if json:
        console.print_json(JsonFormat.SETTINGS, {"file": file, "settings": found})
        return
    if file is None:
        console.info(f"no settings file: {config.why_none()}")
    elif console.level() < console.Level.VERBOSE:  # otherwise it has been shown
        console.info(f"settings file: {file}")
    if found:
        columns = ("option", "value", "from") if path else ("command", "option", "value", "from")
        rows = [(each.command, each.option, _text(each.value), each.origin) for each in found]
        console.print_table(columns, [row[len(row) - len(columns) :] for row in rows])


@app.command("sample", examples="pcqtool config sample > pcqtool.toml")
def print_sample(ctx: typer.Context) -> None:
    """Print a settings file with all options, commented out."""
    console.print_page(settings_text.sample(ctx.find_root().command).rstrip())


def _command(root: Any, path: tuple[str, ...]) -> Any:
    """Return the command with these names."""
    found = root
    for name in path:
        found = getattr(found, "commands", {}).get(name)
    if found is None or hasattr(found, "commands"):
        known = ", ".join(" ".join(names) for names, _ in settings_text.commands_of(root))
        raise SettingsError(f"no such command: {' '.join(path)}", f"Commands: {known}.")
    return found


def _text(value: object) -> str | None:
    """Return a value as a cell of the table."""
    if isinstance(value, list):
        return ", ".join(value)
    if isinstance(value, bool):
        return str(value).lower()
    return None if value is None else str(value)
