"""Isolation of plugin code: its crashes, hangs, exceptions and printing never reach the rest of the tool.

A plugin is first loaded in another process, because an import can end, kill or hang its process.
``python -m pcqtool.plugins.isolation`` reads a check, ``module:function``, and a list of registrations, (name, value)
each, as JSON from stdin. It writes a line of JSON for each: the reason why its class is not usable, or null.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from importlib.metadata import EntryPoint
from typing import IO, cast

LOAD_TIMEOUT_S = 30.0  # for the import of one plugin

NameAndValue = tuple[str, str]


def load_problems(
    registrations: Sequence[NameAndValue], check: str, timeout_s: float | None = None
) -> list[str | None]:
    """Return for each registration the reason why it cannot be used, or None.

    One process loads them one after the other. If a plugin ends it, another process continues with the next plugin.

    Args:
        registrations: name and value of each entry point.
        check: ``module:function``; the function takes a loaded object and its name, and returns what is wrong with it.
        timeout_s: longest duration of an import; None for ``LOAD_TIMEOUT_S``.
    """
    problems: list[str | None] = []
    while len(problems) < len(registrations):
        answers, crash = _load_in_subprocess(
            registrations[len(problems) :], check, LOAD_TIMEOUT_S if timeout_s is None else timeout_s
        )
        problems += answers if crash is None else [*answers, crash]
    return problems


def _load_in_subprocess(
    registrations: Sequence[NameAndValue], check: str, timeout_s: float
) -> tuple[list[str | None], str | None]:
    """Load plugins in a new process; return its answers, and how the next plugin ended the process."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", __name__],  # -P: nothing is imported from the current directory
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
    )
    lines: queue.Queue[bytes] = queue.Queue()
    stdin, stream = cast(IO[bytes], process.stdin), cast(IO[bytes], process.stdout)

    def read() -> None:
        for line in stream:
            lines.put(line)
        lines.put(b"")

    threading.Thread(target=read, daemon=True).start()
    answers: list[str | None] = []
    try:
        with stdin:
            stdin.write(json.dumps([check, registrations]).encode())
        while len(answers) < len(registrations):
            line = lines.get(timeout=timeout_s)
            if not line:
                return answers, _exit_reason(process.wait(timeout_s))
            answers.append(json.loads(line))
    except (queue.Empty, subprocess.TimeoutExpired):
        return answers, f"its import takes more than {timeout_s:.0f} s"
    except (OSError, ValueError):  # the process has closed its end, or written something that is not an answer
        process.kill()
        return answers, _exit_reason(process.wait())
    finally:
        process.kill()
        process.wait()
    return answers, None


def _exit_reason(code: int) -> str:
    how = f"signal {-code}" if code < 0 else f"exit code {code}"
    return f"it ends the process that imports it, with {how}"


def _serve() -> None:
    check, registrations = json.loads(sys.stdin.buffer.read())
    problem_of = EntryPoint("check", check, "").load()
    # Whatever a plugin prints, by any means, must not end up among the answers.
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
        os.dup2(2, 1)
        for name, value in registrations:
            try:
                problem = problem_of(EntryPoint(name, value, "").load(), name)
            except BaseException as raised:
                problem = one_line(raised)
            print(json.dumps(problem), file=answers, flush=True)
        os._exit(0)  # without waiting for threads that plugins have started


@contextmanager
def stdout_to_stderr() -> Iterator[None]:
    """Redirect everything that the block prints, by any means, to stderr: stdout carries only the tool's results."""
    saved = None
    with suppress(OSError, AttributeError):  # one of them may be closed
        sys.stdout.flush()
        saved = os.dup(1)
        os.dup2(2, 1)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        if saved is not None:
            os.dup2(saved, 1)
            os.close(saved)


def one_line(error: BaseException) -> str:
    """Describe an exception in one line."""
    try:
        return f"{type(error).__name__}: {error}".strip().rstrip(":")[:1000]
    except Exception:
        return type(error).__name__


if __name__ == "__main__":
    _serve()
