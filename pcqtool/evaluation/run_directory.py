"""The directory of a finished run: ``metrics.json``, ``predictions.parquet`` and ``folds/``, written and read.

Only this module knows how ``metrics.json`` is read: reports take its entries from ``FinishedRun``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from pcqtool.errors import ReportError, TableError
from pcqtool.files.atomic import write_whole
from pcqtool.fingerprint import fingerprint
from pcqtool.metrics.risk_coverage import Coverage

if TYPE_CHECKING:
    import pyarrow as pa

    from pcqtool.evaluation.predictions import Predictions
    from pcqtool.tables.provenance import Provenance

METRICS, PREDICTIONS, FOLDS = "metrics.json", "predictions.parquet", "folds"
UNKNOWN = "not recorded"

Curve = tuple[Mapping[str, float], ...]
"""The history of a training run: number, losses and accuracies of each epoch."""


@dataclass(frozen=True)
class Estimate:
    """A score with its uncertainty.

    Attributes:
        value: from 0 to 1.
        interval: 95 % interval over speakers; None if unknown.
        sd: standard deviation over seeds; None for one seed.
    """

    value: float
    interval: tuple[float, float] | None = None
    sd: float | None = None

    def __str__(self) -> str:
        """Return the score in per cent: ``76.1 ± 0.4 (72.1 to 80.8)``."""
        sd = "" if self.sd is None else f" ± {100 * self.sd:.1f}"
        interval = "" if self.interval is None else f" ({100 * self.interval[0]:.1f} to {100 * self.interval[1]:.1f})"
        return f"{100 * self.value:.1f}{sd}{interval}"


@dataclass(frozen=True)
class FinishedRun:
    """A finished evaluation or training run, as its ``metrics.json`` describes it.

    Attributes:
        name: name of the directory, or of the file if it is not called ``metrics.json``.
        path: the file.
        metrics: the content of the file.
    """

    name: str
    path: Path
    metrics: Mapping[str, Any]

    @property
    def pooled(self) -> Mapping[str, Any]:
        """The scores of all test parts together; for a trained model, the scores of its validation part.

        Raises:
            ReportError: if the run has no scores.
        """
        found = self.metrics.get("pooled", self.metrics.get("validation"))
        if not isinstance(found, Mapping):
            raise ReportError(f"{self.path} contains no scores", "Name the --out directory of 'pcqtool evaluate'.")
        return found

    @property
    def corpus(self) -> str:
        """Name of the corpus."""
        return str(self.metrics.get("corpus", UNKNOWN))

    @property
    def protocol(self) -> str:
        """Name of the protocol."""
        return str(self.metrics.get("protocol", UNKNOWN))

    @property
    def title(self) -> str:
        """The title of a figure: name, corpus and protocol."""
        return ", ".join(part for part in (self.name, self.corpus, self.protocol) if part != UNKNOWN)

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes, in the order of the confusion matrix."""
        return tuple(self.metrics.get("labels", self.pooled["recall"]))

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds of the training runs."""
        found = self.metrics.get("seeds", self.metrics.get("seed", ()))
        return tuple([found] if isinstance(found, int) else found)

    def score(self, name: str) -> Estimate:
        """Return ``wa``, ``ua`` or ``macro_f1``."""
        interval = self.pooled.get(f"{name}_interval")
        over_seeds = self.metrics.get("over_seeds", {}).get(name, {})
        return Estimate(self.pooled[name], tuple(interval) if interval else None, over_seeds.get("sd"))

    @property
    def risk_coverage(self) -> tuple[Coverage, ...]:
        """Coverage and accuracy by threshold of confidence; empty if the run has none."""
        return tuple(Coverage(**entries) for entries in self.metrics.get("risk_coverage", ()))

    @property
    def shared_with_training(self) -> Mapping[str, int | None]:
        """The largest numbers of files, speakers, sessions and texts that test and training share in a fold.

        A test part is compared with training and validation together. In protocol ``paper`` it is also the validation
        part, so it is compared with training alone.
        """
        part = "validation" if self.protocol == "paper" and self.metrics.get("leaks") else "test"
        return dict(self.metrics.get("overlap", {}).get(part, {}))

    @property
    def curves(self) -> dict[str, Curve]:
        """The histories: one for a trained model, and one for each kept seed and fold of a cross-validation.

        Raises:
            ReportError: if there are none.
        """
        histories = {"": self.metrics.get("history", ())}
        for run in self.metrics.get("runs", ()):
            name = f"seed-{run['seed']}/{quote(run['fold'], safe='')}"
            path = self.path.parent / FOLDS / f"{name}.json"
            fold = _read(path) if path.is_file() else {}
            # A later, unfinished evaluation may have replaced the fold's file.
            if fold and all(fold.get(key) == run.get(key) for key in ("temperature", "elapsed_s")):
                histories[name] = fold["history"]
        curves = {name: tuple(history) for name, history in histories.items() if history}
        if not curves:
            raise ReportError(
                f"{self.path.parent} contains no history of a training run",
                "Name the --out directory of 'pcqtool train' or 'pcqtool evaluate --protocol'.",
            )
        return curves

    @property
    def predictions(self) -> Predictions:
        """The predictions, one row for each utterance and seed.

        Raises:
            TableError: if the run has no predictions.
        """
        return load_predictions(self.path.parent)[0]


def read_run(run: Path) -> FinishedRun:
    """Read a finished run.

    Args:
        run: directory of an evaluation or a model, or a ``metrics.json`` under any name.

    Raises:
        ReportError: if it is missing or damaged.
    """
    path = run / METRICS if run.is_dir() else run
    return FinishedRun(path.resolve().parent.name if path.name == METRICS else path.stem, path, _read(path))


def _read(path: Path) -> dict[str, Any]:
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ReportError(
            f"cannot read {path}: {error.strerror}",
            "Name the --out directory of 'pcqtool evaluate' or 'train'.",
        ) from error
    except ValueError as error:
        raise ReportError(f"{path} is not JSON: {error}") from error
    if not isinstance(entries, dict):
        raise ReportError(f"{path} is not the metrics.json of a run")
    return entries


@dataclass(frozen=True)
class Evaluation:
    """The results of an evaluation, before they are written.

    Attributes:
        metrics: the content of ``metrics.json``.
        table: the content of ``predictions.parquet``.
        model: name of the model, or of the recipe of several models.
        model_sha256: the model's hash; empty for a recipe.
        aggregation: rule from segments to files.
    """

    metrics: dict[str, Any]
    table: pa.Table
    model: str
    model_sha256: str
    aggregation: str

    def with_corpora(self, **corpora: Sequence[Mapping[str, Any]]) -> Evaluation:
        """Add descriptions of the corpora to the metrics; the keyword states their use."""
        return replace(self, metrics={**self.metrics, **{use: list(some) for use, some in corpora.items()}})

    def save(self, out: Path) -> None:
        """Write predictions and metrics into a directory; the metrics come last and mark it as complete.

        Raises:
            FileError: if the file system refuses.
        """
        from pcqtool.tables.provenance import Provenance
        from pcqtool.tables.writer import write

        settings = _settings(self.metrics)
        provenance = Provenance(
            model=self.model,
            model_sha256=self.model_sha256,
            labels=tuple(self.metrics["labels"]),
            fingerprint=fingerprint([settings, self.model_sha256]),
            aggregation=self.aggregation,
            settings=settings,
        )
        write(out / PREDICTIONS, self.table, provenance)
        write_whole(out / METRICS, f"{json.dumps(self.metrics, indent=1, ensure_ascii=False)}\n".encode())


def load_predictions(run: Path) -> tuple[Predictions, Provenance]:
    """Read an evaluation's predictions and their provenance, given its directory or the table itself.

    Raises:
        TableError: if the table is missing, damaged or not an evaluation's.
    """
    from pcqtool.evaluation.predictions import Predictions
    from pcqtool.tables.paths import SUFFIX
    from pcqtool.tables.provenance import read_provenance
    from pcqtool.tables.rewrite import read_columns

    path = run if run.suffix.lower() == SUFFIX and not run.is_dir() else run / PREDICTIONS
    if not path.is_file():
        raise TableError(f"{path}: no such file", "Name the --out directory of a finished 'pcqtool evaluate'.")
    provenance = read_provenance(path)
    table = read_columns(path)
    if "truth" not in table.column_names:
        raise TableError(f"{path}: not the table of an evaluation", "Name the --out directory of 'pcqtool evaluate'.")
    return Predictions.from_table(table, provenance.labels), provenance


def _settings(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entries that decided the predictions, and the note on leakage: no scores."""
    names = (
        *("corpus", "protocol", "protocol_title", "leakage", "leaks"),
        *("command", "seeds", "recipe", "encoder", "teacher", "profile"),
    )
    return {name: metrics[name] for name in names if name in metrics}
