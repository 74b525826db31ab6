"""Results made on the spot, of any number of recordings, with a sound for the first."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pcqtool.tables.paths import table_path
from pcqtool.tables.provenance import METADATA_KEY, Provenance
from pcqtool.tables.schema import events_schema, files_schema, probability_columns, segments_schema

LABELS = ("anger", "happiness", "neutral", "sadness")
N_SEGMENTS, SEGMENT_S = 10, 3.0

MakeResults = Callable[..., Path]


@pytest.fixture
def make_results(tmp_path: Path) -> MakeResults:
    """Write tables of recordings with 10 segments and 3 events each; returns the file table's path."""

    def make(names: list[str], channels: tuple[str, ...] = ("mix",), root: Path | None = None) -> Path:
        rng = np.random.default_rng(len(names))
        keys = [(name, channel) for name in sorted(names) for channel in channels]
        n = len(keys)
        chances = rng.dirichlet(np.full(len(LABELS), 0.4), n * N_SEGMENTS).astype(np.float32)
        path = tmp_path / "results.parquet"
        identity = {"model": "a model", "model_sha256": "0" * 64, "labels": LABELS, "fingerprint": "f" * 16}
        place = None if root is None else root.as_posix()
        provenance = Provenance(**identity, aggregation="blend", root=place)
        tables = {
            "files": (files_schema(LABELS), _files(keys, chances.reshape(n, N_SEGMENTS, -1))),
            "segments": (segments_schema(LABELS), _segments(keys, chances)),
            "events": (events_schema(LABELS), _events(keys, chances.reshape(n, N_SEGMENTS, -1))),
        }
        for kind, (schema, columns) in tables.items():
            n_rows = len(columns["file"])
            arrays = [
                pa.array(columns[field.name]).cast(field.type)
                if field.name in columns
                else pa.nulls(n_rows, field.type)
                for field in schema
            ]
            table = pa.table(arrays, schema=schema).replace_schema_metadata(
                {METADATA_KEY: provenance.to_json().encode()}
            )
            pq.write_table(table, table_path(path, kind))
        return path

    return make


def _files(keys: list[tuple[str, str]], chances: Any) -> dict[str, Any]:
    n = len(keys)
    means, peaks = chances.mean(axis=1), chances.max(axis=1)
    counts = np.stack([(chances.argmax(axis=2) == k).mean(axis=1) for k in range(len(LABELS))], axis=1)
    columns: dict[str, Any] = {
        "file": [name for name, _ in keys],
        "channel": [channel for _, channel in keys],
        "duration_s": np.full(n, N_SEGMENTS * SEGMENT_S),
        "sample_rate": np.full(n, 16000),
        "n_segments": np.full(n, N_SEGMENTS),
        "speech_s": np.linspace(5, 25, n),
        "label": np.array(LABELS)[means.argmax(axis=1)],
        "confidence": means.max(axis=1),
        "status": ["ok"] * n,
        "model": ["a model"] * n,
        "talk_share": np.linspace(0, 1, n),
        "classified_s": np.full(n, 20.0),
    }
    for k, label in enumerate(LABELS):
        columns |= {f"prob_{label}": means[:, k], f"share_{label}": counts[:, k], f"peak_{label}": peaks[:, k]}
        columns[f"peak_{label}_s"] = SEGMENT_S * chances[:, :, k].argmax(axis=1)
    return columns


def _segments(keys: list[tuple[str, str]], chances: Any) -> dict[str, Any]:
    n = len(keys)
    starts = np.tile(np.arange(N_SEGMENTS) * SEGMENT_S, n)
    return {
        "file": [name for name, _ in keys for _ in range(N_SEGMENTS)],
        "channel": [channel for _, channel in keys for _ in range(N_SEGMENTS)],
        "segment": np.tile(np.arange(N_SEGMENTS), n),
        "start_s": starts,
        "end_s": starts + SEGMENT_S,
        "padded": np.zeros(len(starts), bool),
        "label": np.array(LABELS)[chances.argmax(axis=1)],
        "confidence": chances.max(axis=1),
        **{name: chances[:, k] for k, name in enumerate(probability_columns(LABELS))},
    }


def _events(keys: list[tuple[str, str]], chances: Any) -> dict[str, Any]:
    """Four stretches: the second has no label."""
    edges = np.array([0.0, 6.0, 12.0, 21.0, 30.0])
    n = len(keys)
    labels = np.array(LABELS, object)[chances[:, :4].argmax(axis=2)]
    labels[:, 1] = None
    return {
        "file": [name for name, _ in keys for _ in range(4)],
        "channel": [channel for _, channel in keys for _ in range(4)],
        "event": np.tile(np.arange(4), n),
        "start_s": np.tile(edges[:-1], n),
        "end_s": np.tile(edges[1:], n),
        "label": list(labels.reshape(-1)),
        "confidence": chances[:, :4].max(axis=2).reshape(-1),
        "peak": chances[:, :4].max(axis=2).reshape(-1),
        "peak_s": np.tile(edges[:-1], n),
    }


@pytest.fixture
def set_file_row() -> Callable[..., None]:
    """Change values in the row of the file table that has a name."""

    def change(path: Path, name: str, **values: Any) -> None:
        table = pq.read_table(path)
        frame = pl.from_arrow(table)
        for column, value in values.items():
            literal = pl.lit(value, pl.String if frame[column].dtype == pl.Categorical else frame[column].dtype)
            old = pl.col(column).cast(pl.String) if frame[column].dtype == pl.Categorical else pl.col(column)
            frame = frame.with_columns(
                pl.when(pl.col("file").cast(pl.String) == name).then(literal).otherwise(old).alias(column)
            )
        pq.write_table(frame.to_arrow().cast(table.schema), path)

    return change


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A real browser; tests that need it are skipped where playwright or Chromium is missing."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    names = ("chromium", "chromium-browser", "google-chrome")
    path = next((found for name in names if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip("no Chromium on this machine")
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
    arguments += ["--disable-component-update", "--disable-sync", "--autoplay-policy=no-user-gesture-required"]
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=path, args=arguments)
        yield chromium
        chromium.close()
