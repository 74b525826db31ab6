"""What an evaluation leaves behind: figures, the predictions they are made of, and where both come from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pcqtool.errors import TableError
from pcqtool.evaluation.predictions import Predictions
from pcqtool.files.atomic import write_whole
from pcqtool.tables.edit import read_columns
from pcqtool.tables.paths import SUFFIX
from pcqtool.tables.provenance import Provenance, read_provenance
from pcqtool.tables.writer import write

if TYPE_CHECKING:
    import pyarrow as pa

METRICS = "metrics.json"
PREDICTIONS = "predictions.parquet"
FOLDS = "folds"


@dataclass(frozen=True)
class Evaluation:
    """A finished evaluation.

    Attributes:
        metrics: what goes into ``metrics.json``.
        table: what goes into ``predictions.parquet``.
        model: name of the model, or of the recipe of many.
        model_sha256: its hash; empty for a recipe.
        aggregation: rule from segments to file.
    """

    metrics: dict[str, Any]
    table: pa.Table
    model: str
    model_sha256: str
    aggregation: str

    def of_corpora(self, **described: Sequence[Mapping[str, Any]]) -> Evaluation:
        """Add what is known of the corpora, under a name for what they were used for."""
        return replace(self, metrics={**self.metrics, **{name: list(some) for name, some in described.items()}})

    def save(self, out: Path) -> None:
        """Write the tables and figures into a directory, the figures last: when they are there, all is.

        Raises:
            TableError: if the file system refuses.
        """
        settings = _settings(self.metrics)
        provenance = Provenance(
            model=self.model,
            model_sha256=self.model_sha256,
            labels=tuple(self.metrics["labels"]),
            fingerprint=hashlib.sha256(json.dumps([settings, self.model_sha256]).encode()).hexdigest()[:16],
            aggregation=self.aggregation,
            settings=settings,
        )
        write(out / PREDICTIONS, self.table, provenance)
        write_whole(out / METRICS, f"{json.dumps(self.metrics, indent=1, ensure_ascii=False)}\n".encode())


def load_predictions(run: Path) -> tuple[Predictions, Provenance]:
    """Read an evaluation's predictions, given its directory or the table itself.

    Raises:
        TableError: if there are none, or they are damaged or of another kind.
    """
    path = run if run.suffix.lower() == SUFFIX and not run.is_dir() else run / PREDICTIONS
    if not path.is_file():
        raise TableError(f"{path}: no such file", "Name the --out directory of a finished 'pcqtool evaluate'.")
    provenance = read_provenance(path)
    table = read_columns(path)
    if "truth" not in table.column_names:
        raise TableError(f"{path}: no table of an evaluation", "Name the --out directory of 'pcqtool evaluate'.")
    return Predictions.from_table(table, provenance.labels), provenance


def _settings(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Give what decided the predictions, and the stamp: no figures."""
    names = (
        "corpus",
        "protocol",
        "protocol_title",
        "stamp",
        "leaks",
        "command",
        "seeds",
        "recipe",
        "encoder",
        "teacher",
        "adapted",
    )
    return {name: metrics[name] for name in names if name in metrics}
