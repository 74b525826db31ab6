from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from importlib.metadata import version

import pytest

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
    "onnxruntime",
)


def test_help_imports_nothing_heavy(tmp_path):
    code = (
        "import sys; from pcqtool.cli.app import main; code = main(['--help']);"
        f"loaded = [m for m in {HEAVY!r} if m in sys.modules]; assert not loaded, loaded; sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Usage: pcqtool")


def test_help_answers_at_once(pcqtool):
    took_s = []
    for _ in range(3):
        started = time.perf_counter()
        pcqtool("--help")
        took_s.append(time.perf_counter() - started)
    assert min(took_s) < 0.5


def test_corpora_list_is_quick_and_light(tmp_path):
    code = (
        "import sys; from pcqtool.cli.app import main; code = main(['corpora', 'list']);"
        "assert not {'torch', 'numpy', 'pyarrow'} & sys.modules.keys(); sys.exit(code)"
    )
    started = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert time.perf_counter() - started < 2  # under 1 s on an idle machine


def test_version_goes_to_stdout(pcqtool):
    done = pcqtool("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"pcqtool {version('pcqtool')}\n", "")


def test_help_has_sections_and_examples(pcqtool):
    said = pcqtool("-h").stdout
    for part in ("Common options:", "Installation:", "doctor", "Examples:", "Exit codes:", "PCQTOOL_CONFIG"):
        assert part in said
    assert "\x1b" not in said
    assert "\b" not in said


def test_no_command_shows_the_help_and_is_a_usage_error(pcqtool):
    done = pcqtool()
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
def test_usage_errors_take_two_lines(pcqtool, typed, said):
    done = pcqtool(*typed)
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


def test_every_command_takes_the_common_flags_and_has_help():
    from pcqtool.cli.app import program

    def leaves(command):
        for inner in getattr(command, "commands", {}).values():
            yield from leaves(inner) if hasattr(inner, "commands") else [inner]

    for command in leaves(program()):
        flags = {flag for param in command.params for flag in param.opts}
        assert {"--quiet", "--verbose", "--debug", "--config"} <= flags, command.name
        assert command.help, command.name
        assert all(p.help for p in command.params), command.name
