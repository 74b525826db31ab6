"""The only printer: data to stdout, everything that is said about the work to stderr."""

from __future__ import annotations

import io
import json
import math
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, is_dataclass
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any, TextIO

import typer

from pcqtool.cli.progress import LINE_EVERY_S, Lines, Progress, bar


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
        _say("info", text, facts=facts)


def debug(text: str) -> None:
    """Say a detail; only with ``--verbose`` or ``--debug``."""
    if _level >= Level.VERBOSE:
        _say("debug", text)


def warn(text: str) -> None:
    """Say what may be wrong although the work goes on."""
    _say("warning", text, mark="warning", colour="yellow")


def error(what: str, hint: str = "", *, mark: str = "error") -> None:
    """Say why the work ends, and on a second line what to do about it."""
    _say("error", what, hint, mark=mark, colour="red")


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
def counting(unit: str) -> Iterator[Callable[[float, float | None], None]]:
    """Show how far work is whose amount is only known once it has begun.

    Yields:
        What to call with the amount done and the total amount, None where it is not known.
    """
    with ExitStack() as stack:
        shown: list[Progress] = []
        counted = 0.0

        def count(done: float, total: float | None) -> None:
            nonlocal counted
            if not shown:
                shown.append(stack.enter_context(progress(total, unit)))
            shown[0].advance(done - counted)
            counted = done

        yield count


def print_text(text: str) -> None:
    """Print data as it is, with a line end."""
    _write(sys.stdout, text)


def print_json(value: object) -> None:
    """Print one JSON value; what is not a number in JSON (NaN, infinity) becomes null."""
    _write(sys.stdout, json.dumps(_jsonable(value), ensure_ascii=False, indent=2, allow_nan=False))


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

    framed = is_terminal(sys.stdout)
    rows = list(rows)
    table = Table(box=box.ROUNDED if framed else None, pad_edge=framed, header_style="bold")
    for index, column in enumerate(columns):
        numbers = all(isinstance(row[index], int | float) for row in rows)
        table.add_column(column, justify="right" if numbers else "left")
    for row in rows:
        cells = ["" if cell is None else _printable(str(cell), _encoding(sys.stdout)) for cell in row]
        table.add_row(*(Text(cell, style=(styles or {}).get(cell, "")) for cell in cells))
    drawn = io.StringIO()
    width = None if framed else 10_000  # never wrap what another program reads
    Console(file=drawn, force_terminal=framed, width=width).print(table)
    text = "\n".join(line.rstrip() for line in drawn.getvalue().splitlines())
    _write(sys.stdout, text, clean=False)


def print_fields(fields: Mapping[str, object]) -> None:
    """Print names and values below each other; what is None or empty is left out."""
    given = {name: str(value) for name, value in fields.items() if value not in (None, "")}
    width = max(map(len, given), default=0)
    for name, value in given.items():
        _write(sys.stdout, f"{name:<{width}}  " + value.replace("\n", f"\n{' ' * (width + 2)}"))


def is_terminal(stream: TextIO | None) -> bool:
    """Whether control characters may be sent there."""
    return stream is not None and stream.isatty() and os.environ.get("TERM") != "dumb"


def _say(
    level: str,
    text: str,
    hint: str = "",
    *,
    mark: str = "",
    colour: str = "",
    facts: Mapping[str, object] | None = None,
) -> None:
    if _as_json:
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = {"time": now, "level": level, "message": text, **({"hint": hint} if hint else {}), **(facts or {})}
        _write(sys.stderr, json.dumps(_jsonable(line)))
        return
    _write(sys.stderr, text, mark=mark, colour=colour)
    if hint:
        _write(sys.stderr, hint)


def _write(stream: TextIO | None, text: str, *, mark: str = "", colour: str = "", clean: bool = True) -> None:
    """Write a line and flush; a reader that has gone away is no fault of the run."""
    if stream is None:  # closed by the caller, as in `pcqtool ... >&-`
        return
    if clean:
        text = _printable(text, _encoding(stream))
    if mark:
        coloured = is_terminal(stream) and not os.environ.get("NO_COLOR")
        text = f"{typer.style(f'{mark}:', fg=colour, bold=True) if coloured else f'{mark}:'} {text}"
    try:
        print(text, file=stream, flush=True)
    except BrokenPipeError:
        # Python flushes once more when it exits and would complain then.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _encoding(stream: TextIO | None) -> str:
    return (stream and stream.encoding) or "utf-8"


def _printable(text: str, encoding: str) -> str:
    """Text without control characters (file names may hold any) and without what the stream cannot encode."""
    kept = "\n\t\N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}"
    shown = "".join(c if c.isprintable() or c in kept or _is_surrogate(c) else ascii(c)[1:-1] for c in text)
    return shown.encode(encoding, "backslashreplace").decode(encoding)


def _is_surrogate(character: str) -> bool:
    return "\ud800" <= character <= "\udfff"  # a byte of a file name that is not UTF-8


def _jsonable(value: Any) -> Any:
    """The plain value behind paths, dataclasses and numpy scalars."""
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    if isinstance(value, Mapping):
        return {str(key): _jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_jsonable(item) for item in value]
    if hasattr(value, "item"):  # numpy
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, str | int | bool) else str(value)
