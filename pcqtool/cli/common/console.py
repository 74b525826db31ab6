"""The only printer: data to stdout, everything that is said about the work to stderr."""

from __future__ import annotations

import io
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from enum import IntEnum

import typer

from pcqtool.cli.common import streams
from pcqtool.cli.common.progress import LINE_EVERY_S, Lines, Progress, bar
from pcqtool.cli.common.streams import is_terminal
from pcqtool.cli.common.text import json_text, one_line
from pcqtool.errors import PcqtoolError
from pcqtool.progress import OnProgress
from pcqtool.progress import Progress as Reported


class Level(IntEnum):
    """How much is said on stderr; warnings and errors always are."""

    QUIET = 0
    NORMAL = 1
    VERBOSE = 2
    DEBUG = 3


_level = Level.NORMAL
_as_json = False


def level() -> Level:
    """The level in force."""
    return _level


def set_level(new: Level) -> None:
    """Say as much as this from now on."""
    global _level
    _level = new


def log_as(form: str) -> None:
    """Say things on stderr as ``text``, or from now on as ``json``: an object a line, for programs that watch logs."""
    global _as_json
    _as_json = form == "json"


def info(text: str, **facts: object) -> None:
    """Say what is going on; silent under ``--quiet``. The facts behind the text go into a log for programs alone."""
    if _level >= Level.NORMAL:
        _say("info", [text], facts=facts)


def debug(text: str) -> None:
    """Say a detail; only with ``--verbose`` or ``--debug``."""
    if _level >= Level.VERBOSE:
        _say("debug", [text])


def warn(text: str) -> None:
    """Say what may be wrong although the work goes on."""
    _say("warning", [text], mark="warning", colour="yellow")


def error(what: str, hint: str = "", *, mark: str = "error") -> None:
    """Say why the work ends, and on a second line what to do about it."""
    _say("error", [what], hint, mark=mark, colour="red")


@contextmanager
def progress(
    total: float | None, unit: str, *, every_s: float = LINE_EVERY_S, clock: Callable[[], float] = time.monotonic
) -> Iterator[Progress]:
    """Show on stderr how far the work is: a bar on a terminal, else a plain line a minute, nothing under ``--quiet``.

    Args:
        total: amount of work, None where it is not known.
        unit: what is counted, in the plural: ``files``.
        every_s: seconds between plain lines; the first comes after as long.
        clock: seconds since any moment.

    Yields:
        What to call ``advance`` on, from one thread.
    """
    if _level > Level.QUIET and is_terminal(sys.stderr) and not _as_json:
        with bar(total, unit) as drawn:
            yield drawn
    else:
        yield Lines(info, total, unit, every_s, clock)


@contextmanager
def reporting() -> Iterator[OnProgress]:
    """Show the progress that a function of the package reports, stage by stage.

    Yields:
        What to pass as ``on_progress``.
    """
    shown: Progress | None = None
    before = Reported(0, None, "")
    with ExitStack() as stack:

        def report(new: Reported) -> None:
            nonlocal shown, before
            if shown is None or new.unit != before.unit:
                stack.close()
                shown = stack.enter_context(progress(new.total, new.unit))
                before = Reported(0, new.total, new.unit)
            shown.advance(new.done - before.done, note=new.note)
            before = new

        yield report


def explain(*lines: str) -> None:
    """Say several lines that belong together, such as the help of a command; silent under ``--quiet``."""
    if _level >= Level.NORMAL:
        _say("info", lines)


def trace(text: str) -> None:
    """Say how an error came about; what others have written into it is indented, so that it passes for no message."""
    first, *rest = text.split("\n")
    _say("error", [first, *(f"  {line}" for line in rest)], mark="traceback", colour="red")


def print_text(text: str) -> None:
    """Print a line of data."""
    _print(one_line(text, streams.encoding(sys.stdout)))


def print_page(text: str) -> None:
    """Print several lines of our own."""
    for line in text.split("\n"):
        print_text(line)


def print_json(value: object) -> None:
    """Print one JSON value; what is not a number in JSON (NaN, infinity) becomes null."""
    _print(json_text(value, streams.encoding(sys.stdout), indent=2))


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], *, styles: Mapping[str, str] | None = None
) -> None:
    """Print a table for people: framed and wrapped on a terminal, else aligned columns, one line a row.

    Args:
        columns: headings.
        rows: as many cells each as there are headings; None prints as nothing.
        styles: colours (as rich names them) of cells that have exactly this text.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    def shown(cell: object) -> str:
        return one_line(str(cell), streams.encoding(sys.stdout))

    framed = is_terminal(sys.stdout)
    rows = list(rows)
    frame = box.ROUNDED if one_line("╭│╰", streams.encoding(sys.stdout)) == "╭│╰" else box.ASCII2
    table = Table(box=frame if framed else None, pad_edge=framed, header_style="bold")
    for index, column in enumerate(columns):
        numbers = all(isinstance(row[index], int | float) for row in rows)
        table.add_column(Text(shown(column)), justify="right" if numbers else "left", overflow="fold")
    for row in rows:
        cells = ["" if cell is None else shown(cell) for cell in row]
        table.add_row(*(Text(cell, style=(styles or {}).get(cell, "")) for cell in cells))
    drawn = io.StringIO()
    width = None if framed else 10_000  # never wrap what another program reads
    Console(file=drawn, force_terminal=framed, width=width).print(table)
    text = "\n".join(line.rstrip() for line in drawn.getvalue().splitlines())
    _print(text)


def print_fields(fields: Mapping[str, object]) -> None:
    """Print names and values below each other; what is None or empty is left out, a list has a line for each item."""
    given = {name: value for name, value in fields.items() if value not in (None, "", (), [])}
    width = max(map(len, given), default=0)
    for name, value in given.items():
        for line in value if isinstance(value, list | tuple) else (value,):
            print_text(f"{name:<{width}}  {line}")
            name = ""


def _say(
    level: str,
    lines: Sequence[str],
    hint: str = "",
    *,
    mark: str = "",
    colour: str = "",
    facts: Mapping[str, object] | None = None,
) -> None:
    """Say something; where stderr takes no more, nobody can be told, and the work goes on."""
    encoding = streams.encoding(sys.stderr)
    if _as_json:
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        said = {"time": now, "level": level, "message": "\n".join(lines), **({"hint": hint} if hint else {})}
        text = json_text({**said, **(facts or {})}, encoding)
    else:
        shown = [one_line(line, encoding) for line in (*lines, *filter(None, [hint]))]
        if mark:
            coloured = is_terminal(sys.stderr) and not os.environ.get("NO_COLOR")
            shown[0] = f"{typer.style(f'{mark}:', fg=colour, bold=True) if coloured else f'{mark}:'} {shown[0]}"
        text = "\n".join(shown)
    with suppress(OSError):
        streams.write(sys.stderr, text)


def _print(text: str) -> None:
    """Write to stdout what can be shown.

    Raises:
        PcqtoolError: if it takes no more.
    """
    try:
        streams.write(sys.stdout, text)
    except OSError as fault:
        raise PcqtoolError(
            f"the result cannot be printed: stdout takes no more ({fault.strerror or fault})",
            "Send stdout to a place with room; what has been written to files is there.",
        ) from fault
