"""Stage by stage: what each of them would take alone, over the same recordings."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pcqtool.audio.resample import resample
from pcqtool.audio.segment import SAMPLE_RATE
from pcqtool.audio.tracks import Reading, read
from pcqtool.audio.vad import VoiceActivity
from pcqtool.model.predictor import Predictor

Waves = NDArray[np.float32]
HIGH_RATE = 44100


def load_segments(paths: Sequence[Path]) -> Waves:
    """Decode recordings into segments ``(S, N)``, padded with zeros."""
    chunks = [chunk.waves for path in paths for chunk in read(path, Reading("mix", vad=False))]
    return np.concatenate(chunks)


def time_stages(paths: Sequence[Path], predictor: Predictor, batch_size: int) -> dict[str, float]:
    """Time each stage over some recordings, in seconds; all before and after the network in one thread."""
    started_s = time.perf_counter()
    segments = load_segments(paths)
    times_s = {"decode": time.perf_counter() - started_s}
    high = np.zeros((segments.size * HIGH_RATE // SAMPLE_RATE, 1), np.float32)
    times_s["resample (from 44.1 kHz)"] = _time(lambda: list(resample(np.array_split(high, 64), HIGH_RATE, 1)))
    times_s["VAD"] = _time(lambda: _detect(segments))
    times_s |= time_network(segments, predictor, batch_size)
    _write(1)  # warm
    times_s["write"] = _time(lambda: _write(len(segments)))
    return times_s


def time_network(segments: Waves, predictor: Predictor, batch_size: int) -> dict[str, float]:
    """Time the network's parts; what is neither of the named ones is CSQ, the fusion and the classifier."""
    model = predictor.model
    predictor.log_probs(segments[:batch_size])  # warm
    with (
        _watched(model, "level", predictor) as spectrogram,
        _watched(model.mlcnn, "forward", predictor) as mlcnn,
        _watched(model, "hear", predictor) as hear,
        _watched(model.encoder, "forward", predictor) as encoder,
    ):
        whole = _time(lambda: judge(segments, predictor, batch_size))
    named = {"spectrogram": sum(spectrogram), "MLCNN": sum(mlcnn), "encoder": sum(hear) + sum(encoder)}
    return named | {"CSQ + head": max(0.0, whole - sum(named.values()))}


def judge(segments: Waves, predictor: Predictor, batch_size: int) -> NDArray[np.float64]:
    """Give the log-probabilities ``(S, L)`` of segments, in batches."""
    starts = range(0, len(segments), batch_size)
    return np.concatenate([predictor.log_probs(segments[start : start + batch_size]) for start in starts])


def count_flops(segments: Waves, predictor: Predictor) -> int:
    """Count the floating point operations of the network for one segment."""
    from torch.nn.utils import parametrize
    from torch.utils.flop_counter import FlopCounterMode

    with parametrize.cached():  # weights that are made of others must be there: they are not made under the counter
        predictor.log_probs(segments[:1])
        with FlopCounterMode(display=False) as counter:
            predictor.log_probs(segments[:1])
    return int(counter.get_total_flops())


def matrix_ceiling(device: torch.device, precision: str, size: int = 2048, repeats: int = 8) -> float:
    """Measure the best rate of a square matrix product, in FLOP/s."""
    size *= 4 if device.type == "cuda" else 1
    matrix = torch.randn(size, size, device=device, dtype=getattr(torch, precision))
    times_s = []
    for _ in range(repeats):
        started_s = time.perf_counter()
        matrix @ matrix
        wait(device)
        times_s.append(time.perf_counter() - started_s)
    return 2.0 * float(size) ** 3 / min(times_s)


def wait(device: torch.device) -> None:
    """Wait for what a GPU still has to do."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _time(work: Callable[[], object]) -> float:
    started_s = time.perf_counter()
    work()
    return time.perf_counter() - started_s


@contextmanager
def _watched(owner: Any, name: str, predictor: Predictor) -> Iterator[list[float]]:
    """Time every call of a method meanwhile."""
    times_s: list[float] = []
    if owner is None:
        yield times_s
        return
    method = getattr(owner, name)

    def timed(*arguments: Any) -> Any:
        wait(predictor.device)
        started_s = time.perf_counter()
        result = method(*arguments)
        wait(predictor.device)
        times_s.append(time.perf_counter() - started_s)
        return result

    setattr(owner, name, timed)
    try:
        yield times_s
    finally:
        delattr(owner, name)


def _detect(segments: Waves) -> None:
    activity = VoiceActivity()
    for wave in segments:
        activity.push(wave)
    activity.flush()


def _write(n: int) -> None:
    import pyarrow as pa

    from pcqtool.tables.provenance import Provenance
    from pcqtool.tables.schema import segments_schema
    from pcqtool.tables.writer import write

    labels = ("anger", "neutral")
    made = Provenance(model="bench", model_sha256="", labels=labels, fingerprint="", aggregation="mean")
    rows = [
        {"file": "a.wav", "channel": "0", "segment": i, "start_s": 3.0 * i, "end_s": 3.0 * i + 3, "padded": False}
        for i in range(n)
    ]
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder) / "t.parquet", pa.Table.from_pylist(rows, segments_schema(labels)), made)
