"""Plugins tried in another process, which one that ends, kills or hangs its process at import cannot take with it.

``python -m pcqtool.corpora.testing.plugin_probe`` takes a list of registrations, (name, value) each, as JSON on stdin,
and writes a line of JSON for each that it has loaded: what keeps it from being a corpus, or null.
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

from pcqtool.corpora.conformance import fault

LOAD_S = 30.0  # for a plugin to be imported

Registration = tuple[str, str]


def probe(registrations: Sequence[Registration]) -> list[str | None]:
    """Say of each registration what keeps it from being a corpus; None if nothing does.

    They are loaded one after the other in one process; where that ends before its time, in another one from there on.
    """
    found: list[str | None] = []
    while len(found) < len(registrations):
        verdicts, end = _run(registrations[len(found) :])
        found += verdicts if end is None else [*verdicts, end]
    return found


def _run(registrations: Sequence[Registration]) -> tuple[list[str | None], str | None]:
    """Load plugins in a new process; return the verdicts that came, and how the next plugin ended it."""
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
    verdicts: list[str | None] = []
    try:
        with stdin:
            stdin.write(json.dumps(registrations).encode())
        while len(verdicts) < len(registrations):
            line = lines.get(timeout=LOAD_S)
            if not line:
                return verdicts, _how_ended(process.wait(LOAD_S))
            verdicts.append(json.loads(line))
    except (queue.Empty, subprocess.TimeoutExpired):
        return verdicts, f"it is not imported within {LOAD_S:.0f} s"
    except (OSError, ValueError):  # it has closed its end, or written what is no answer
        process.kill()
        return verdicts, _how_ended(process.wait())
    finally:
        process.kill()
        process.wait()
    return verdicts, None


def _how_ended(code: int) -> str:
    how = f"signal {-code}" if code < 0 else f"exit code {code}"
    return f"it ends the process that imports it, with {how}"


def _answer() -> None:
    registrations = json.loads(sys.stdin.buffer.read())
    # What a plugin prints, by whatever means, must not spoil the answer.
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
        os.dup2(2, 1)
        for name, value in registrations:
            try:
                verdict = fault(EntryPoint(name, value, "").load(), name)
            except BaseException as raised:
                verdict = brief(raised)
            print(json.dumps(verdict), file=answers, flush=True)
        os._exit(0)  # whatever threads there are by now


@contextmanager
def printing_aside() -> Iterator[None]:
    """Send what the block prints, by whatever means, to stderr: stdout holds nothing but what the tool prints."""
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


def brief(error: BaseException) -> str:
    """Name an error in a line."""
    try:
        return f"{type(error).__name__}: {error}".strip().rstrip(":")[:1000]
    except Exception:
        return type(error).__name__


if __name__ == "__main__":
    _answer()
