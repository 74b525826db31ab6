"""Programs measured in turn, each in a process of its own."""

from __future__ import annotations

import json
import shutil
import statistics
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.peers.peer import Peer
from benchmarks.processes import peak_mb, run


@dataclass
class Measured:
    """The measurements of a program.

    Attributes:
        peer: the program.
        start_ups_s: from the start of each process until it has done its first recordings, one a core.
        runs_s: seconds of going over all recordings after that.
        peak_mb: largest memory of all its processes together.
        n_parameters: number of the model's parameters; ``None`` for programs that have no random weights.
        versions: version of each package.
        missing: the module that is not installed, and then nothing else was measured.
    """

    peer: Peer
    start_ups_s: list[float] = field(default_factory=list)
    runs_s: list[float] = field(default_factory=list)
    peak_mb: float = 0.0
    n_parameters: int | None = None
    versions: dict[str, str] = field(default_factory=dict)
    missing: str | None = None

    @property
    def run_s(self) -> float:
        """Median seconds of going over all recordings."""
        return statistics.median(self.runs_s)


@dataclass(frozen=True)
class Conditions:
    """Where programs run, and on what.

    Attributes:
        files: the recordings.
        n_cores: cores of each program.
        folder: virtual environments by their names, and random weights.
    """

    files: Sequence[Path]
    n_cores: int
    folder: Path


def measure_in_turn(peers: Iterable[Peer], conditions: Conditions, repetitions: int) -> list[Measured]:
    """Run all programs in turn; a first, uncounted repetition measures memory and finds out which are installed.

    Raises:
        PcqtoolError: if an installed program fails, with its messages.
    """
    found = [Measured(peer) for peer in peers]
    for number in range(repetitions + 1):
        for measured in found:
            if measured.missing is None and (number or _ready(measured, conditions)):
                _measure(measured, conditions, counted=number > 0)
    return found


def _ready(measured: Measured, conditions: Conditions) -> bool:
    """Make a program's weights unless they are there; return whether the program is installed."""
    weights = _weights(measured.peer, conditions)
    if not measured.peer.random_weights or weights.exists():
        return True
    result = conditions.folder / "result.json"
    half = weights.with_name(f"{weights.name}.new")
    shutil.rmtree(half, ignore_errors=True)
    run(_words(measured.peer, conditions, half, result, []))
    measured.missing = json.loads(result.read_text("utf-8")).get("missing")
    if measured.missing is None:
        half.rename(weights)
    return measured.missing is None


def _measure(measured: Measured, conditions: Conditions, counted: bool) -> None:
    path = conditions.folder / "result.json"
    weights = _weights(measured.peer, conditions)
    words = _words(measured.peer, conditions, weights, path, conditions.files)
    started_s = time.monotonic()
    if counted:
        run(words)
    else:
        measured.peak_mb = peak_mb(words)
    result: dict[str, Any] = json.loads(path.read_text("utf-8"))
    measured.missing = result.get("missing")
    if measured.missing is None and counted:
        measured.start_ups_s.append(result["ready"] - started_s)
        measured.runs_s.append(result["run_s"])
        measured.n_parameters, measured.versions = result["n_parameters"], result["versions"]


def _weights(peer: Peer, conditions: Conditions) -> Path:
    return conditions.folder / "weights" / f"{peer.module.rpartition('.')[2]}-{peer.kind}"


def _words(peer: Peer, conditions: Conditions, weights: Path, result: Path, files: Sequence[Path]) -> list[str]:
    weights.parent.mkdir(parents=True, exist_ok=True)
    options = ["--folder", str(weights), "--result", str(result), "--cores", str(conditions.n_cores)]
    worker = [peer.python(conditions.folder), "-m", "benchmarks.peers.worker", peer.module, peer.kind]
    return [*worker, *map(str, files), *options]
