"""The real streams: of every encoding, full, closed, read by nobody."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full")
REFUSED = (
    "error: cannot write the result to stdout: No space left on device\n"
    "Redirect stdout to a disk with free space; files that were written are complete.\n"
)
ODD = ["\x7f\xad\u2028\x85\u202e", "ä€\U0001f642", 'quote" \\ back', os.fsdecode(b"\xe4\xff.wav"), "a\nb\x1b[2J"]


@pytest.fixture
def run(ends_script, environment):
    def start(*arguments, redirected="", **settings):
        command = [sys.executable, str(ends_script), *arguments]
        if redirected:
            command = ["sh", "-c", f'exec "$@" {redirected}', "sh", *command]
        settings = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **settings}
        env = environment(**settings.pop("env", {}))
        return subprocess.run(command, env=env, timeout=120, check=False, **settings)

    return start


@pytest.mark.parametrize(
    "env",
    [
        {},
        {"PYTHONIOENCODING": "latin-1"},
        {"PYTHONIOENCODING": "ascii:strict"},
        {"PYTHONIOENCODING": "cp1252"},
        {"PYTHONIOENCODING": "shift_jis"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    ],
)
def test_json_is_json_on_every_stdout(run, env):
    done = run("knob", *(f"--many={each}" for each in ODD), env={"PYTHONUTF8": "1", **env})
    assert done.returncode == 0, done.stderr
    shown = [os.fsencode(each).decode("utf-8", "backslashreplace") for each in ODD]
    assert json.loads(done.stdout.decode("utf-8"))["many"] == shown


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "ascii:strict"])
def test_a_log_of_any_encoding_is_json_a_line(run, encoding):
    done = run("--log", "json", "knob", "--value", os.fsdecode(b"\xe9\n\x85"), env={"PYTHONIOENCODING": encoding})
    (line,) = done.stderr.decode().splitlines()
    assert json.loads(line)["level"] == "error"


def test_an_argument_forges_no_line(run):
    done = run("knob", "--config", os.fsdecode(b"\xff\nwarning: forged\n\xc2\x85.toml"))
    assert done.returncode == 2
    what, hint, end = done.stderr.decode().split("\n")
    assert what.startswith(r"error: cannot read the settings file \xff\nwarning: forged\n\x85.toml: No such file")
    assert (hint, end) == ("Check --config and PCQTOOL_CONFIG.", "")


@needs_full
@pytest.mark.parametrize("arguments", [["knob", "--quiet"], ["--version"], ["--help"], ["knob", "--help"]])
def test_a_result_that_cannot_be_printed_is_a_failure(run, arguments):
    with FULL.open("wb") as full:
        done = run(*arguments, stdout=full)
    assert (done.returncode, done.stderr.decode()) == (1, REFUSED)


@needs_full
def test_what_stderr_does_not_take_is_no_failure(run):
    with FULL.open("wb") as full:
        done = run("knob", stderr=full)
        assert (done.returncode, json.loads(done.stdout)["value"]) == (0, 1)
        assert run("end", "locked", stderr=full).returncode == 75
        assert run("end", "bug", "--debug", stderr=full).returncode == 1
        assert run("knob", stdout=full, stderr=full).returncode == 1


@pytest.mark.parametrize("arguments", [["knob", "--quiet"], ["--version"], ["--help"]])
def test_a_reader_that_left_is_no_failure(run, arguments):
    reading, writing = os.pipe()
    os.close(reading)
    done = run(*arguments, stdout=writing)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_reader_that_leaves_a_full_pipe_is_no_failure(ends_script, environment):
    command = [sys.executable, str(ends_script), "knob", "--quiet", *("--many=" + 1000 * "x" for _ in range(1000))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()) as process:
        assert process.stdout.read(10)  # a megabyte does not fit: it writes, and waits
        process.stdout.close()
        assert process.wait(60) == 0
        assert process.stderr.read() == b""


def test_a_pipe_that_does_not_wait_gets_everything(ends_script, environment):
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    command = [sys.executable, str(ends_script), "knob", "--quiet", *("--many=" + 1000 * "x" for _ in range(1000))]
    with subprocess.Popen(command, stdout=writing, stderr=subprocess.PIPE, env=environment()) as process:
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            printed = pipe.read()
        assert process.wait(60) == 0, process.stderr.read()
    assert len(json.loads(printed)["many"]) == 1000


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_failure(run, closed):
    done = run("knob", redirected=closed)
    assert done.returncode == 0, done.stderr
    assert (b'"value"' in done.stdout) == (" >&-" not in f" {closed}")
    assert (b"a note" in done.stderr) == ("2>&-" not in closed)


def test_no_file_takes_the_place_of_a_closed_stream(tmp_path, environment):
    code = (
        "import os, sys; from pcqtool.cli.common import streams; streams.reopen_closed();"
        f"file = open({str(tmp_path / 'result')!r}, 'wb'); assert file.fileno() > 2; os.write(2, b'a complaint')"
    )
    command = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", sys.executable, "-c", code]
    assert subprocess.run(command, env=environment(), check=False).returncode == 0
    assert (tmp_path / "result").read_bytes() == b""


@pytest.mark.parametrize("encoding", ["utf-8", "ascii:strict"])
def test_a_narrow_terminal_of_any_encoding_cuts_no_name(environment, encoding):
    name = "a-model-with-a-name-" + 8 * "that-goes-on-" + "and-ends"
    code = "from pcqtool.cli.common import console;"
    code += f"console.print_table(('näme', 'what'), [({name!r}, 'wörds ' * 20)] * 2)"
    ours, theirs = pty.openpty()
    env = environment(TERM="xterm", COLUMNS="60", NO_COLOR="1", PYTHONIOENCODING=encoding)
    with subprocess.Popen([sys.executable, "-c", code], stdout=theirs, stderr=subprocess.PIPE, env=env) as process:
        os.close(theirs)
        drawn = b""
        while block := _read(ours):
            drawn += block
        assert process.wait(60) == 0, process.stderr.read()
    os.close(ours)
    lines = re.sub(r"\x1b\[\d*m", "", drawn.decode()).splitlines()
    assert max(map(len, lines)) <= 60
    cells = "".join(line.replace("│", "|").split("|")[1].strip() for line in lines if line[:1] in "│|")
    assert cells.count(name) == 2, drawn.decode()


def _read(terminal):
    try:
        return os.read(terminal, 65536)
    except OSError:  # the other end is closed
        return b""
