"""Tables of the example recordings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pcqtool.batch.results import Results
from pcqtool.tables.paths import table_path
from pcqtool.tables.provenance import Provenance
from pcqtool.tables.writer import write
from tests.exports.examples import LABELS, RECORDINGS, tables

Make = Callable[..., Results]


@pytest.fixture
def make_results(tmp_path: Path) -> Make:
    """Write the tables of recordings, by default of all ``RECORDINGS``."""

    def make(recordings: dict[str, Any] = RECORDINGS, name: str = "r.parquet", without: str = "") -> Results:
        made_by = Provenance(
            model="tiny",
            model_sha256="0",
            labels=LABELS,
            fingerprint="f",
            aggregation="mean",
            root=(tmp_path / "root").as_posix(),
        )
        for kind, table in tables(dict(sorted(recordings.items()))).items():
            if kind != without:
                write(table_path(tmp_path / name, kind), table, made_by)  # type: ignore[arg-type]
        return Results(tmp_path / name)

    return make


@pytest.fixture
def results(make_results: Make) -> Results:
    """The tables of all ``RECORDINGS``."""
    return make_results()
