"""The only printer: results go to stdout, messages to stderr."""

from __future__ import annotations

import io
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from enum import IntEnum

import typer

from pcqtool.cli.common import streams
from pcqtool.cli.common.progress import LINE_EVERY_S, ProgressDisplay, ProgressLines, progress_bar
from pcqtool.cli.common.streams import is_terminal
from pcqtool.cli.common.text import json_text, one_line
from pcqtool.errors import PcqtoolError
from pcqtool.json_format import JsonFormat
from pcqtool.progress import OnProgress, Progress


class Level(IntEnum):
    """Amount of messages on stderr; warnings and errors are always shown."""

    QUIET = 0
    NORMAL = 1
    VERBOSE = 2
    DEBUG = 3


Piece = tuple[str, str]
"""Text, and its style: a colour such as ``#D55E00``, ``bold``, ``dim``, or nothing."""

_WATCH_EVERY_S = 15.0  # of the thread that logs lines during a long step

_level = Level.NORMAL
_as_json = False


def level() -> Level:
    """Return the current level."""
    return _level


def set_level(new: Level) -> None:
    """Set the level."""
    global _level
    _level = new


def log_as(form: str) -> None:
    """Set the format on stderr: ``text``, or ``json`` for one object per line."""
    global _as_json
    _as_json = form == "json"


def info(text: str, **facts: object) -> None:
    """Show a message, unless ``--quiet``; the facts appear only in a JSON log."""
    if _level >= Level.NORMAL:
        _log("info", [text], facts=facts)


def debug(text: str) -> None:
    """Show a detail, with ``--verbose`` or ``--debug``."""
    if _level >= Level.VERBOSE:
        _log("debug", [text])


def warn(text: str) -> None:
    """Show a warning; the work continues."""
    _log("warning", [text], mark="warning", colour="yellow")


def error(what: str, hint: str = "", *, mark: str = "error") -> None:
    """Show why the work ends, and what to do on a second line."""
    _log("error", [what], hint, mark=mark, colour="red")


@contextmanager
def progress(
    total: float | None,
    unit: str,
    *,
    done: float = 0,
    every_s: float = LINE_EVERY_S,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[ProgressDisplay]:
    """Show progress on stderr: a bar on a terminal, otherwise a plain line per minute; nothing under ``--quiet``.

    Args:
        total: amount of work; None if unknown.
        unit: what is counted, in the plural: ``files``.
        done: amount that was finished before; it does not count for the speed.
        every_s: seconds between plain lines; the first appears after one interval.
        clock: returns seconds since a fixed time.

    Yields:
        A display; call its ``advance`` from one thread.
    """
    if _level > Level.QUIET and is_terminal(sys.stderr) and not _as_json:
        with progress_bar(done, total, unit) as drawn:
            yield drawn
    else:
        yield ProgressLines(info, done, total, unit, every_s, clock)


@contextmanager
def reporting() -> Iterator[OnProgress]:
    """Show the progress that a function of the package reports; each stage has its own display.

    Plain lines appear once a minute, whether stages are short or a step is long.

    Yields:
        A function to pass as ``on_progress``.
    """
    shown: ProgressDisplay | None = None
    before = Progress(0, None, "")
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(_WATCH_EVERY_S):
            if isinstance(shown, ProgressLines):
                shown.log_if_due()

    with ExitStack() as stack:
        watcher = threading.Thread(target=watch, name="progress", daemon=True)
        watcher.start()

        def report(new: Progress) -> None:
            nonlocal shown, before
            if shown is None or new.unit != before.unit or new.done < before.done:
                stack.close()
                previous = shown
                shown = stack.enter_context(progress(new.total, new.unit, done=new.done))
                if isinstance(shown, ProgressLines) and isinstance(previous, ProgressLines):
                    shown.last_line_s = previous.last_line_s
                before = new
            shown.advance(new.done - before.done, note=new.note)
            before = new

        try:
            yield report
        finally:
            stop.set()
            watcher.join()


def explain(*lines: str) -> None:
    """Show lines that belong together, such as a command's help; silent under ``--quiet``."""
    if _level >= Level.NORMAL:
        _log("info", lines)


def trace(text: str) -> None:
    """Show a traceback; all lines but the first are indented, so that foreign text cannot pass for a message."""
    first, *rest = text.split("\n")
    _log("error", [first, *(f"  {line}" for line in rest)], mark="traceback", colour="red")


def print_text(text: str) -> None:
    """Print a line of data."""
    _print(one_line(text, streams.encoding(sys.stdout)))


def print_page(text: str) -> None:
    """Print text of several lines."""
    for line in text.split("\n"):
        print_text(line)


def print_json(schema: JsonFormat, content: Mapping[str, object]) -> None:
    """Print one JSON object of a format, whose name is its first key; NaN and infinity become null."""
    _print(json_text({"schema": schema, **content}, streams.encoding(sys.stdout), indent=2))


def print_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    styles: Mapping[str, str] | None = None,
    frame: bool = True,
) -> None:
    """Print a table: framed and wrapped on a terminal, otherwise aligned columns with one line per row.

    Args:
        columns: headings.
        rows: one cell per heading; None prints nothing.
        styles: rich's name of a colour, by the exact text of the cells that get it.
        frame: whether a terminal shows a frame, which takes three columns of text for each column.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    def shown(cell: object) -> str:
        return one_line(str(cell), streams.encoding(sys.stdout))

    styled = is_terminal(sys.stdout)
    framed = styled and frame
    rows = list(rows)
    lines = box.ROUNDED if can_print("╭│╰") else box.ASCII2
    table = Table(box=lines if framed else None, pad_edge=framed, header_style="bold")
    for index, column in enumerate(columns):
        numbers = all(isinstance(row[index], int | float) for row in rows)
        table.add_column(Text(shown(column)), justify="right" if numbers else "left", overflow="fold")
    for row in rows:
        cells = ["" if cell is None else shown(cell) for cell in row]
        table.add_row(*(Text(cell, style=(styles or {}).get(cell, "")) for cell in cells))
    drawn = io.StringIO()
    columns_wide = None if styled else 10_000  # never wrap what another program reads
    Console(file=drawn, force_terminal=styled, width=columns_wide).print(table)
    text = "\n".join(line.rstrip() for line in drawn.getvalue().splitlines())
    _print(text)


def print_styled(lines: Iterable[Sequence[Piece]]) -> None:
    """Print lines of coloured pieces, which are not wrapped; plain text unless stdout is a terminal."""
    from rich.console import Console
    from rich.text import Text

    encoding = streams.encoding(sys.stdout)
    coloured = is_terminal(sys.stdout)
    drawn = io.StringIO()
    terminal = Console(file=drawn, force_terminal=coloured, width=10_000, highlight=False)
    for line in lines:
        pieces = [(one_line(text, encoding), style if coloured else "") for text, style in line]
        terminal.print(Text.assemble(*pieces), soft_wrap=True)
    text = drawn.getvalue()
    if text:
        _print("\n".join(line.rstrip() for line in text.removesuffix("\n").split("\n")))


def width() -> int:
    """Return the width of the terminal in columns; 80 if stdout is not one."""
    return shutil.get_terminal_size((80, 24)).columns if is_terminal(sys.stdout) else 80


def has_colour() -> bool:
    """Return whether stdout shows colours: it is a terminal, and ``NO_COLOR`` is not set."""
    return is_terminal(sys.stdout) and not os.environ.get("NO_COLOR")


def can_print(text: str) -> bool:
    """Return whether stdout's encoding has all characters of a text."""
    return one_line(text, streams.encoding(sys.stdout)) == text


def print_fields(fields: Mapping[str, object]) -> None:
    """Print one name and value per line, without None and empty values; a list has a line per item."""
    given = {name: value for name, value in fields.items() if value not in (None, "", (), [])}
    width = max(map(len, given), default=0)
    for name, value in given.items():
        for line in value if isinstance(value, list | tuple) else (value,):
            print_text(f"{name:<{width}}  {line}")
            name = ""


def _log(
    level: str,
    lines: Sequence[str],
    hint: str = "",
    *,
    mark: str = "",
    colour: str = "",
    facts: Mapping[str, object] | None = None,
) -> None:
    """Write a message to stderr; if that fails, nobody can be informed, and the work continues."""
    encoding = streams.encoding(sys.stderr)
    if _as_json:
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        entry = {
            "schema": JsonFormat.LOG,
            "time": now,
            "level": level,
            "message": "\n".join(lines),
            **({"hint": hint} if hint else {}),
        }
        text = json_text({**entry, **(facts or {})}, encoding)
    else:
        shown = [one_line(line, encoding) for line in (*lines, *filter(None, [hint]))]
        if mark:
            coloured = is_terminal(sys.stderr) and not os.environ.get("NO_COLOR")
            shown[0] = f"{typer.style(f'{mark}:', fg=colour, bold=True) if coloured else f'{mark}:'} {shown[0]}"
        text = "\n".join(shown)
    with suppress(OSError):
        streams.write(sys.stderr, text)


def _print(text: str) -> None:
    """Write a line to stdout.

    Raises:
        PcqtoolError: if stdout cannot be written, as on a full disk.
    """
    try:
        streams.write(sys.stdout, text)
    except OSError as fault:
        raise PcqtoolError(
            f"cannot write the result to stdout: {fault.strerror or fault}",
            "Redirect stdout to a disk with free space; files that were written are complete.",
        ) from fault
