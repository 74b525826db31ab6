from __future__ import annotations

import os
import pty
import resource
import shlex
import signal
import subprocess
import sys
from collections import Counter
from importlib.metadata import version

import pytest

from pcqtool.cli.app import program

HEAVY = (
    "torch",
    "torchaudio",
    "transformers",
    "sklearn",
    "scipy",
    "numpy",
    "polars",
    "pyarrow",
    "pandas",
    "openvino",
)


def test_help_imports_nothing_heavy(tmp_path):
    code = (
        "import sys; from pcqtool.cli.app import main; code = main(['--help']);"
        f"loaded = [m for m in {HEAVY!r} if m in sys.modules]; assert not loaded, loaded; sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Usage: pcqtool")


def _processor_s(run):
    """The processor time of a process that ``run`` starts, which other processes hardly change."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_help_answers_at_once(pcqtool_process):
    assert min(_processor_s(lambda: pcqtool_process("--help")) for _ in range(3)) < 0.5


def test_corpora_list_is_quick_and_light(tmp_path):
    code = (
        "import sys; from pcqtool.cli.app import main; code = main(['corpora', 'list']);"
        "assert not {'torch', 'numpy', 'pyarrow'} & sys.modules.keys(); sys.exit(code)"
    )

    def run():
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    assert _processor_s(run) < 2  # under 1 s on an idle machine


def test_version_goes_to_stdout(pcqtool_process):
    for flag in ("--version", "-V"):
        done = pcqtool_process(flag)
        assert (done.returncode, done.stdout, done.stderr) == (0, f"pcqtool {version('pcqtool')}\n", "")


def test_help_has_sections_and_examples(pcqtool_process):
    said = pcqtool_process("-h").stdout
    for part in ("Common options:", "Installation:", "doctor", "Examples:", "Exit codes:", "PCQTOOL_CONFIG"):
        assert part in said
    assert "\x1b" not in said
    assert "\b" not in said


def test_no_command_shows_the_help_and_is_a_usage_error(pcqtool_process):
    done = pcqtool_process()
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("Usage: pcqtool")


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (["docter"], "error: No such command 'docter'. Did you mean 'doctor'?\nSee 'pcqtool --help'.\n"),
        (
            ["doctor", "--jsno"],
            "error: No such option: --jsno (Possible options: --json)\nSee 'pcqtool doctor --help'.\n",
        ),
        (["corpora", "info"], "error: Missing argument 'NAME'.\nSee 'pcqtool corpora info --help'.\n"),
    ],
)
def test_usage_errors_take_two_lines(pcqtool_process, typed, said):
    done = pcqtool_process(*typed)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", said)


def test_known_error_is_what_and_hint_with_its_code(ends):
    done = ends("end", "locked")
    assert (done.returncode, done.stderr) == (75, "error: results.lock is held\nWait for the other run.\n")


def test_unexpected_error_is_one_line_and_how_to_see_more(ends):
    done = ends("end", "bug")
    assert done.returncode == 1
    assert done.stderr == ("unexpected error: ZeroDivisionError: by zero\nRun again with --debug for the traceback.\n")


@pytest.mark.parametrize("typed", [["--debug", "end", "bug"], ["end", "bug", "--debug"]])
def test_debug_shows_the_traceback_from_either_side_of_the_command(ends, typed):
    done = ends(*typed)
    assert done.returncode == 1
    assert "Traceback (most recent call last)" in done.stderr
    assert done.stderr.endswith("unexpected error: ZeroDivisionError: by zero\n")


def test_returned_code_is_the_exit_code(ends):
    assert ends("end", "some").returncode == 3


def test_interrupt_is_130(ends):
    done = ends("end", "interrupt")
    assert (done.returncode, done.stderr) == (130, "error: interrupted\n")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_signal_lets_the_command_tidy_up(ends_script, number, code):
    with subprocess.Popen(
        [sys.executable, str(ends_script), "end", "nap"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "napping\n"
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (code, "tidied\n")
    assert "Traceback" not in err
    assert err.startswith("error: ")


def test_warnings_of_libraries_show_only_when_asked_for(ends):
    assert ends("end", "warn").stderr == ""
    assert ends("end", "warn", "-v").stderr == "DeprecationWarning: old call\n"


@pytest.mark.parametrize(
    ("typed", "notes"),
    [
        (["knob"], ["a note"]),
        (["knob", "--quiet"], []),
        (["-q", "knob"], []),
        (["knob", "-v"], ["a note", "a detail"]),
        (["-q", "knob", "-v"], ["a note", "a detail"]),
    ],
)
def test_levels_work_on_both_sides_of_the_command(ends, typed, notes):
    assert ends(*typed).stderr.splitlines() == notes


def test_reader_that_left_is_no_fault(ends_script):
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, str(ends_script), "knob"], stdout=writing, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, "a note\n")


@pytest.mark.parametrize(("env", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)])
def test_colour_only_on_a_terminal_that_wants_it(ends_script, env, coloured):
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, str(ends_script), "end", "locked"],
        stdout=subprocess.DEVNULL,
        stderr=theirs,
        env={"PATH": os.environ["PATH"], "TERM": "xterm", **env},
    ) as process:
        process.wait(60)
    os.close(theirs)
    said = os.read(ours, 4096).decode()
    os.close(ours)
    assert ("\x1b[" in said) == coloured
    assert "results.lock is held" in said


def _contexts(command, name="pcqtool", parent=None):
    """Every command and group of the program, with its context."""
    context = command.context_class(command, info_name=name, parent=parent)
    yield command, context
    for name, inner in getattr(command, "commands", {}).items():
        yield from _contexts(inner, name, context)


TREE = list(_contexts(program()))
COMMANDS = [pair for pair in TREE if not hasattr(pair[0], "commands")]
GROUPS = [pair for pair in TREE if hasattr(pair[0], "commands")]


def _paths(pairs):
    return [context.command_path for _, context in pairs]


@pytest.mark.parametrize(("command", "context"), COMMANDS, ids=_paths(COMMANDS))
def test_every_command_takes_the_common_flags_and_has_help(command, context):
    flags = {flag for param in command.params for flag in param.opts}
    assert {"--quiet", "--verbose", "--debug", "--log", "--config"} <= flags
    assert command.help
    assert all(param.help for param in command.params)


@pytest.mark.parametrize(("command", "context"), GROUPS, ids=_paths(GROUPS))
def test_no_entry_of_a_command_list_is_cut_at_80_columns(command, context, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    _, _, shown = command.get_help(context).partition("\n")  # without the usage, "COMMAND [ARGS]..."
    assert "..." not in shown
    assert "…" not in shown
    for name, inner in command.commands.items():
        first = inner.help.split("\n\n")[0].removesuffix(".")
        assert " ".join(first.split()) in shown, name


@pytest.mark.parametrize(("command", "context"), TREE, ids=_paths(TREE))
def test_no_section_of_a_help_has_more_than_twelve_entries(command, context):
    sections = Counter(getattr(param, "rich_help_panel", None) or param.param_type_name for param in command.params)
    sections.update(getattr(inner, "rich_help_panel", None) for inner in getattr(command, "commands", {}).values())
    assert max(sections.values()) <= 12, sections


@pytest.mark.parametrize(("command", "context"), COMMANDS, ids=_paths(COMMANDS))
def test_every_help_ends_with_examples_that_can_be_typed(command, context):
    _, examples = command.get_help(context).rsplit("Examples:\n", 1)
    for line in examples.splitlines():
        words = shlex.split(line.partition(">")[0])
        path = context.command_path.split()
        assert words[: len(path)] == path
        command.make_context(context.info_name, words[len(path) :], parent=context.parent)


def test_help_shows_the_help_of_a_command(pcqtool_process):
    assert pcqtool_process("help", "corpora", "list").stdout == pcqtool_process("corpora", "list", "--help").stdout
    assert pcqtool_process("help").stdout == pcqtool_process("--help").stdout
    unknown = pcqtool_process("help", "corpora", "lits")
    assert (unknown.returncode, unknown.stdout) == (2, "")
    assert "No such command 'lits'. Did you mean 'list'?" in unknown.stderr
