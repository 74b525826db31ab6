from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest

from pcqtool.tables.provenance import Provenance
from pcqtool.tables.schema import files_schema, segments_schema

LABELS = ("anger", "neutral", "sadness")
MakeTable = Callable[..., pa.Table]


@pytest.fixture
def labels() -> tuple[str, ...]:
    return LABELS


@pytest.fixture
def provenance() -> Provenance:
    return Provenance(
        model="tiny",
        model_sha256="ab" * 32,
        labels=LABELS,
        fingerprint="cafe",
        aggregation="mean-log",
        settings={"vad": "on"},
    )


def judged(label: str, *probabilities: float) -> dict[str, Any]:
    columns = {f"prob_{name}": p for name, p in zip(LABELS, probabilities, strict=True)}
    return {"label": label, "confidence": max(probabilities), **columns}


@pytest.fixture
def files_table() -> pa.Table:
    """Every status, nulls in every nullable column, and names that are hard on formats."""
    common = {"size_bytes": 96_044, "mtime": datetime(2024, 2, 29, 12, 30, 15, 123456, UTC)}
    ok = {
        "duration_s": 4.25,
        "sample_rate": 44_100,
        "n_segments": 2,
        "speech_s": 3.5,
        "method": "mean-log",
        "model": "tiny",
    }
    rows = [
        {"file": "a/line\nbreak.wav", "channel": "0", "status": "ok", **ok, **judged("anger", 0.7, 0.2, 0.1), **common},
        {
            "file": "a/line\nbreak.wav",
            "channel": "1",
            "status": "ok",
            **ok,
            **judged("sadness", 0.1, 0.2, 0.7),
            **common,
        },
        {
            "file": 'b/"quoted", it\'s.wav',
            "n_segments": 0,
            "status": "failed",
            "error": "not audio",
            "note": "read by name",
            "target": "../kept/it's.wav",
            "retry": True,
        },
        {
            "file": "c/silence.wav",
            "channel": "mix",
            "duration_s": 3.0,
            "sample_rate": 8000,
            "n_segments": 0,
            "status": "no_speech",
            "error": "no speech found",
            **common,
        },
        {
            "file": "d/größe-声-🙂.wav",
            "channel": "mix",
            "status": "ok",
            **ok,
            **judged("neutral", 0.2, 0.5, 0.3),
            **common,
        },
    ]
    return pa.Table.from_pylist(rows, schema=files_schema(LABELS))


@pytest.fixture
def make_segments() -> MakeTable:
    """Make a segment table of ``n`` rows, three a file, the files named ``prefix-0000000.wav`` and on."""

    def make(n: int, prefix: str = "f") -> pa.Table:
        numbers = range(n)
        columns = {
            "file": [f"{prefix}-{i // 3:07d}.wav" for i in numbers],
            "channel": ["0"] * n,
            "segment": [i % 3 for i in numbers],
            "start_s": [3.0 * (i % 3) for i in numbers],
            "end_s": [3.0 * (i % 3) + 2.75 for i in numbers],
            "speech": [None if i % 7 == 0 else 0.5 for i in numbers],
            "padded": [i % 3 == 2 for i in numbers],
            "label": [None if i % 5 == 0 else LABELS[i % 3] for i in numbers],
            "confidence": [0.5] * n,
            "prob_anger": [0.5] * n,
            "prob_neutral": [0.25] * n,
            "prob_sadness": [0.25] * n,
            "speaker": [None] * n,
        }
        return pa.table(columns, schema=segments_schema(LABELS))

    return make
