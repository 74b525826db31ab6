"""A study: variants of a recipe under one protocol, each compared with the first by the speakers that both judged."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pcqtool.corpora.base import Utterance, fingerprint_entries
from pcqtool.evaluation.ablations import Variant
from pcqtool.evaluation.run_directory import METRICS, FinishedRun, read_run
from pcqtool.files.atomic import write_whole
from pcqtool.version import __version__

if TYPE_CHECKING:
    import torch

    from pcqtool.splits import Fold, Protocol

COLUMNS = ("variant", "WA", "UA", "difference in WA", "difference in UA")
OF_THE_WHOLE = (
    *("corpus", "protocol", "protocol_title", "leakage", "leaks", "speaker_independent", "overlap", "labels", "seeds"),
    *("n_utterances", "n_speakers", "recipe", "encoder", "teacher"),
    *("command", "data", "machine", "tool_version", "torch_version", "created"),
)
OF_A_VARIANT = ("pooled", "over_seeds")
DONE, KEPT = "done.json", (METRICS, "predictions.parquet")  # the mark of a variant, and what it vouches for


@dataclass(frozen=True)
class StudySetting:
    """What all variants of a study share.

    Attributes:
        corpus: its name.
        utterances: the corpus's.
        protocol: makes the folds.
        folds: for each seed.
        device: where to compute.
        teacher: directory or Hub id of the encoder to learn from, for recipes that distil.
        n_jobs: folds, and recordings, at the same time.
    """

    corpus: str
    utterances: Sequence[Utterance]
    protocol: Protocol
    folds: Mapping[int, Sequence[Fold]]
    device: torch.device
    teacher: str | None = None
    n_jobs: int = 1

    @property
    def n_folds(self) -> int:
        """Training runs for each variant."""
        return sum(map(len, self.folds.values()))


def run_study(
    kind: str, variants: Sequence[Variant], setting: StudySetting, out: Path, on_folds: Callable[[int, str], None]
) -> dict[str, Any]:
    """Evaluate all variants; those, and the folds, that ``out`` holds from an earlier run are not run again.

    Args:
        kind: of the study, for its file ``<kind>.json``.
        variants: the one that the others are compared with comes first.
        setting: what they share.
        out: gets a directory for each variant, as ``pcqtool evaluate`` writes it, and the file.
        on_folds: told how many more folds are done, and of which variant.

    Returns:
        What goes into the file.

    Raises:
        PcqtoolError: as cross-validation does; what has ended is kept.
    """
    runs = []
    places = [(variant, out / _slug(variant.name), _key(variant, setting)) for variant in variants]
    _check([variant for variant, folder, key in places if not _is_done(folder, key)], setting)
    for variant, folder, key in places:
        if not _is_done(folder, key):
            _evaluate(variant, setting, folder, key, on_folds)
        else:
            on_folds(setting.n_folds, variant.name)
        runs.append(read_run(folder))
    text = json.dumps(_conclude(kind, variants, runs), indent=1, ensure_ascii=False)
    write_whole(out / f"{kind}.json", f"{text}\n".encode())
    study: dict[str, Any] = json.loads(text)
    return study


def _check(variants: Sequence[Variant], setting: StudySetting) -> None:
    """See that every variant can be trained, before hours are spent on the first."""
    from pcqtool.labels import sort_labels
    from pcqtool.training.network_config import configure

    labels = sort_labels(utterance.label for utterance in setting.utterances)
    for variant in variants:
        configure(labels, variant.recipe, variant.encoder, setting.teacher)


def _evaluate(
    variant: Variant, setting: StudySetting, folder: Path, key: str, on_folds: Callable[[int, str], None]
) -> None:
    from pcqtool.evaluation.cross_validation import EvaluationTask, cross_validate
    from pcqtool.evaluation.run_directory import FOLDS
    from pcqtool.evaluation.summary import conclude
    from pcqtool.training.experiment import Experiment

    n_jobs = setting.n_jobs if setting.device.type == "cpu" else 1
    experiment = Experiment(
        setting.utterances, variant.recipe, setting.device, variant.encoder, setting.teacher, setting.n_jobs
    ).prepare()
    task = EvaluationTask.within_corpus(experiment, setting.corpus)
    results = cross_validate(task, setting.folds, folder / FOLDS, n_jobs, lambda result: on_folds(1, variant.name))
    evaluation = conclude(task, setting.protocol, setting.folds, results)
    evaluation.save(folder)
    write_whole(folder / DONE, f"{json.dumps({'key': key, 'sha256': _digests(folder)}, indent=1)}\n".encode())


def _conclude(kind: str, variants: Sequence[Variant], runs: Sequence[FinishedRun]) -> dict[str, Any]:
    from pcqtool.evaluation.compare import compare

    whole = runs[0].predictions
    rows = []
    for variant, run in zip(variants, runs, strict=True):
        row = {"name": variant.name, **{name: run.metrics[name] for name in OF_A_VARIANT if name in run.metrics}}
        rows.append(row if run is runs[0] else {**row, "against_first": compare(run.predictions, whole)})
    shared = {name: runs[0].metrics[name] for name in OF_THE_WHOLE if name in runs[0].metrics}
    return {"study": kind, **shared, "variants": rows}


def table(study: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """Write a study's rows for people: name, WA and UA in per cent, differences from the first in points."""
    for row in study["variants"]:
        run = FinishedRun(row["name"], Path(), row)
        against = row.get("against_first")
        differences = (_points(against["wa"]), _points(against["ua"])) if against else ("", "")
        yield row["name"], str(run.score("wa")), str(run.score("ua")), *differences


def _points(difference: Mapping[str, Any]) -> str:
    """Write a difference in percentage points with its interval: ``-1.2 (-2.0 to -0.3)``."""
    interval = difference["interval"]
    within = "" if interval is None else f" ({100 * interval[0]:+.1f} to {100 * interval[1]:+.1f})"
    return f"{100 * difference['difference']:+.1f}{within}"


def _key(variant: Variant, setting: StudySetting) -> str:
    """Hash what decides a variant's figures; where the corpus lies does not."""
    utterances = fingerprint_entries(setting.utterances)
    folds = {seed: [asdict(fold) for fold in folds] for seed, folds in setting.folds.items()}
    decisive = [variant.recipe.to_dict(), variant.encoder, setting.teacher, setting.protocol.name, utterances, folds]
    return hashlib.sha256(json.dumps([decisive, __version__], sort_keys=True).encode()).hexdigest()[:16]


def _is_done(folder: Path, key: str) -> bool:
    """Say whether a variant's figures and predictions are there as they were written."""
    try:
        mark = json.loads((folder / DONE).read_text(encoding="utf-8"))
        return bool(mark == {"key": key, "sha256": _digests(folder)})
    except (OSError, ValueError, RecursionError):
        return False


def _digests(folder: Path) -> dict[str, str]:
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in KEPT}


def _slug(name: str) -> str:
    """Make a directory's name: ``w/o PDC`` → ``wo-PDC``."""
    return "".join(c if c.isalnum() or c in "._" else "-" if c == " " else "" for c in name)
