"""What comes before and after the network, each stage by itself in one thread over the same recordings."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from pcqtool.audio.resample import resample
from pcqtool.audio.segment import SAMPLE_RATE
from pcqtool.audio.vad import VoiceActivityDetector
from pcqtool.bench.sample import Sample, Waves

HIGH_RATE = 44100


def time_stages(sample: Sample) -> dict[str, float]:
    """Time each stage over the recordings, in seconds."""
    segments = sample.segments
    high = np.zeros((segments.size * HIGH_RATE // SAMPLE_RATE, 1), np.float32)
    _write(1)  # warm
    return {
        "decode": _time(lambda: Sample.of(sample.sources)),
        "resample (from 44.1 kHz)": _time(lambda: list(resample(np.array_split(high, 64), HIGH_RATE, 1))),
        "VAD": _time(lambda: _detect(segments)),
        "write": _time(lambda: _write(len(segments))),
    }


def _time(work: Callable[[], object]) -> float:
    started_s = time.perf_counter()
    work()
    return time.perf_counter() - started_s


def _detect(segments: Waves) -> None:
    activity = VoiceActivityDetector()
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
