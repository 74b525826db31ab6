"""Isolation of plugin code: its crashes, hangs, exceptions and printing never reach the rest of the tool.

A plugin is first loaded in another process, because an import can end, kill or hang its process.
``python -m pcqtool.corpora.plugin_isolation`` reads a list of registrations, (name, value) each, as JSON from stdin. It
writes a line of JSON for each: the reason why it is not a usable corpus class, or null.
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

from pcqtool.corpora.base import Corpus, Utterance
from pcqtool.corpora.conformance import first_class_problem, utterance_problems
from pcqtool.errors import CorpusError, PcqtoolError, TerminatedError

LOAD_TIMEOUT_S = 30.0  # for the import of one plugin
_REMEDY = "Repair its plugin, or the tables that the plugin reads."

Registration = tuple[str, str]


def list_utterances(corpus: Corpus) -> list[Utterance]:
    """List a corpus's utterances; any exception of the plugin becomes a ``CorpusError``.

    Raises:
        CorpusError: if the corpus raises it, its class fails, or it lists anything but valid utterances.
    """
    try:
        with stdout_to_stderr():
            utterances = list(corpus.utterances())
    except (PcqtoolError, KeyboardInterrupt, TerminatedError):
        raise
    except BaseException as error:  # a plugin's fault must not look like the tool's
        raise CorpusError(f"corpus {corpus.name!r} cannot be listed: {one_line(error)}", _REMEDY) from error
    for each in utterances:
        if not isinstance(each, Utterance):
            what = f"{type(corpus).__name__} lists {str(each)[:80]!r}, which is not an Utterance"
            raise CorpusError(f"corpus {corpus.name!r}: {what}", _REMEDY)
        for _, problem in utterance_problems(each):
            raise CorpusError(f"corpus {corpus.name!r}: {each.path}: {problem}", _REMEDY)
    return utterances


def load_problems(registrations: Sequence[Registration]) -> list[str | None]:
    """Return for each registration the reason why it is not a usable corpus class, or None.

    One process loads them one after the other. If a plugin ends it, another process continues with the next plugin.
    """
    problems: list[str | None] = []
    while len(problems) < len(registrations):
        answers, crash = _load_in_subprocess(registrations[len(problems) :])
        problems += answers if crash is None else [*answers, crash]
    return problems


def _load_in_subprocess(registrations: Sequence[Registration]) -> tuple[list[str | None], str | None]:
    """Load plugins in a new process; return its answers, and how the next plugin ended the process."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    process = subprocess.Popen(
        [sys.executable, "-m", __name__],
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
            stdin.write(json.dumps(registrations).encode())
        while len(answers) < len(registrations):
            line = lines.get(timeout=LOAD_TIMEOUT_S)
            if not line:
                return answers, _exit_reason(process.wait(LOAD_TIMEOUT_S))
            answers.append(json.loads(line))
    except (queue.Empty, subprocess.TimeoutExpired):
        return answers, f"its import takes more than {LOAD_TIMEOUT_S:.0f} s"
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
    registrations = json.loads(sys.stdin.buffer.read())
    # Whatever a plugin prints, by any means, must not end up among the answers.
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
        os.dup2(2, 1)
        for name, value in registrations:
            try:
                problem = first_class_problem(EntryPoint(name, value, "").load(), name)
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
