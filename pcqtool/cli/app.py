"""The command line: registers the commands, and turns their errors into text and exit codes.

Each command is a function in its own file. Nothing imported here may load torch, transformers, scikit-learn, numpy,
polars or pyarrow: ``pcqtool --help`` must be fast.
"""

from __future__ import annotations

import logging
import signal
import threading
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Annotated, cast

import typer
from typer.core import TyperGroup

from pcqtool.cli import (
    clips,
    compare,
    config,
    corpora,
    doctor,
    evaluate,
    export,
    extract,
    label,
    merge,
    models,
    profile,
    recipes,
    report,
    show,
    sweep,
    train,
)
from pcqtool.cli.common import console, failures, flags, streams
from pcqtool.cli.common.program import Program
from pcqtool.errors import ExitCode, PcqtoolError, TerminatedError

RECORDINGS = "Recordings"
MODELS = "Models and corpora"
INSTALLATION = "Installation"

EPILOG = """
\b
Examples:
  pcqtool label calls/ --out results.parquet
  pcqtool help label
  pcqtool doctor

\b
Exit codes:
  0 done · 1 failed · 2 wrong usage · 3 done, but some inputs failed
  75 another run holds the lock · 130 interrupted · 143 terminated

Results go to stdout, everything else to stderr. An option is taken from its flag, else from its environment
variable, else from the settings file: --config FILE, ./pcqtool.toml or that of the user.
"""

app = Program(
    name="pcqtool",
    help="Recognise emotions in speech recordings: audio files in, probabilities as Parquet tables out.",
    epilog=EPILOG,
)


@app.callback()
def root(
    version: flags.Version = False,
    verbose: flags.Verbose = False,
    quiet: flags.Quiet = False,
    debug: flags.Debug = False,
    log: flags.Log = "text",
    config: flags.Config = None,
) -> None:
    """Accept the common flags before a command's name; their callbacks do the work."""


def show_help(
    command: Annotated[list[str] | None, typer.Argument(metavar="COMMAND", help="For example: corpora list.")] = None,
) -> int:
    """Show the help of pcqtool or of a command."""
    return main([*(command or ()), "--help"])


app.command(
    rich_help_panel=RECORDINGS,
    examples="""
    pcqtool label calls/ --out results.parquet
    pcqtool label calls/ --model pcq-whisper-base --channels split
    pcqtool label --files-from list.txt --since 24h --log json
    """,
)(label.label)
app.command(
    rich_help_panel=RECORDINGS,
    examples="""
    pcqtool show results.parquet
    pcqtool show results.parquet call7.wav
    """,
)(show.show)
app.command(
    rich_help_panel=RECORDINGS,
    examples="""
    pcqtool clips results.parquet --label anger --out angry
    pcqtool clips results.parquet --top 50 --margin 1 --out clips
    """,
)(clips.clips)
app.command(
    rich_help_panel=RECORDINGS,
    examples="""
    pcqtool profile calls/ --out calls.profile
    pcqtool profile calls/ --by "line-([0-9]+)" --out lines.profile
    """,
)(profile.profile)
app.command(
    rich_help_panel=RECORDINGS,
    examples="""
    pcqtool extract calls/ --what frames --out frames.parquet
    pcqtool extract calls/ --what statistics --of spectrogram
    """,
)(extract.extract)
app.command(rich_help_panel=RECORDINGS, examples="pcqtool merge shards/ --out results.parquet")(merge.merge)
app.command(
    rich_help_panel=RECORDINGS,
    examples="""
    pcqtool export results.parquet --to xlsx --out results.xlsx
    pcqtool export results.parquet --to textgrid --out praat/
    pcqtool export results.parquet --to srt --what segments --out subtitles/
    """,
)(export.export)
app.command(
    rich_help_panel=MODELS,
    examples="""
    pcqtool train --corpus emodb --out mine
    pcqtool train --corpus emodb --corpus ravdess --recipe mini --out small
    """,
)(train.train)
app.command(
    rich_help_panel=MODELS,
    examples="""
    pcqtool evaluate --corpus emodb --protocol loso
    pcqtool evaluate --corpus emodb --test-corpus ravdess
    pcqtool evaluate --corpus ravdess --model pcq-mini
    """,
)(evaluate.evaluate)
app.command(
    rich_help_panel=MODELS,
    examples="""
    pcqtool sweep mini --corpus emodb --protocol loso --set dropout=0.3,0.5
    pcqtool sweep mini mine.toml --corpus emodb --protocol loso
    """,
)(sweep.sweep)
app.command(rich_help_panel=MODELS, examples="pcqtool compare runs/* --baseline runs/mini")(compare.compare)
app.add_typer(corpora.app, name="corpora", rich_help_panel=MODELS)
app.add_typer(models.app, name="models", rich_help_panel=MODELS)
app.add_typer(recipes.app, name="recipes", rich_help_panel=MODELS)
app.add_typer(report.app, name="report", rich_help_panel=MODELS)
app.command(rich_help_panel=INSTALLATION, examples="pcqtool doctor")(doctor.doctor)
app.add_typer(config.app, name="config", rich_help_panel=INSTALLATION)
app.command("help", rich_help_panel=INSTALLATION, examples="pcqtool help corpora list")(show_help)


def program() -> TyperGroup:
    """Build the whole command tree."""
    return flags.add_common_flags(cast(TyperGroup, typer.main.get_command(app)))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program.

    Args:
        arguments: the words after ``pcqtool``; None for the process's own.

    Returns:
        The exit code.
    """
    streams.reopen_closed()
    console.set_level(console.Level.NORMAL)
    console.log_as("text")
    try:
        with _stoppable(), _warnings_as_details():
            result = program().main(arguments, prog_name="pcqtool", standalone_mode=False)
    except (Exception, KeyboardInterrupt, TerminatedError) as error:
        try:
            return _explain(error)
        except MemoryError:
            return streams.report_no_memory()
    if result == ExitCode.INTERRUPTED:  # typer has turned the KeyboardInterrupt into this
        return _explain(KeyboardInterrupt())
    return int(result) if isinstance(result, int) else ExitCode.DONE


def _explain(error: BaseException) -> int:
    """Show in one or two lines why the run ended, and return its exit code."""
    if console.level() == console.Level.DEBUG and error.__traceback__:
        console.trace("".join(traceback.format_exception(error)).rstrip())
    if isinstance(error, PcqtoolError | TerminatedError):
        console.error(error.what, error.hint)
        return error.exit_code
    if isinstance(error, KeyboardInterrupt):
        console.error("interrupted")
        return ExitCode.INTERRUPTED
    if isinstance(error, typer.Abort):
        console.error("aborted")
        return ExitCode.FAILED
    if isinstance(error, typer.TyperException):
        return _explain_usage(error)
    if explanation := failures.explain_machine_failure(error):
        console.error(*explanation)
        return ExitCode.FAILED
    console.error(
        f"{type(error).__name__}: {error}".rstrip(": "),
        "" if console.level() == console.Level.DEBUG else "Run again with --debug for the traceback.",
        mark="unexpected error",
    )
    return ExitCode.FAILED


def _explain_usage(error: typer.TyperException) -> int:
    """Show what was wrong with the command line; a group without a command shows its help."""
    if type(error).__name__ == "NoArgsIsHelpError":  # typer does not export it
        console.explain(*error.format_message().split("\n"))
        return error.exit_code
    context: typer.Context | None = getattr(error, "ctx", None)
    param = getattr(error, "param", None)
    what = " ".join(error.format_message().split()).replace("Value error, ", "")  # pydantic's words
    if context and param and (source := context.get_parameter_source(param.name)) and source.name == "DEFAULT_MAP":
        what += f" (from {flags.config_file(context)})"
    console.error(what, f"See '{context.command_path} --help'." if context else "")
    return error.exit_code


@contextmanager
def _stoppable() -> Iterator[None]:
    """Turn SIGTERM into an error, so that finished results are kept; a second one ends the process immediately."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        raise TerminatedError("terminated", "Finished results are kept.")

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _warnings_as_details() -> Iterator[None]:
    """Show warnings of libraries, which are meant for programmers, only with ``--verbose``."""
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, category, *_, **__: console.debug(f"{category.__name__}: {message}")
        with _log_on_console():
            yield


@contextmanager
def _log_on_console() -> Iterator[None]:
    """Show the package's log; only the command line prints."""

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            show = console.warn if record.levelno >= logging.WARNING else console.info
            (console.debug if record.levelno < logging.INFO else show)(record.getMessage())

    handler, logger = Handler(), logging.getLogger("pcqtool")
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        logger.setLevel(before)
        logger.removeHandler(handler)
