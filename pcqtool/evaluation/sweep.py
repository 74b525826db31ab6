"""Sweeps: recipes and values of their settings under one protocol, compared with the run that validation chooses."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pcqtool.arguments import StrPath, as_list, as_path, as_text, n_jobs
from pcqtool.batch.profiling import AUTO
from pcqtool.evaluation.finished_mark import MARK, is_finished, mark_finished, settings_key
from pcqtool.evaluation.run_directory import Estimate, FinishedRun, read_run
from pcqtool.evaluation.training_runs import TrainingRuns, check_training_arguments, open_division
from pcqtool.files.atomic import write_whole
from pcqtool.files.lock import claim_folder
from pcqtool.json_format import JsonFormat
from pcqtool.progress import OnProgress, ignore

if TYPE_CHECKING:
    from pcqtool.evaluation.predictions import Predictions
    from pcqtool.evaluation.run_comparison import RunComparison

_log = logging.getLogger(__name__)

FILE = "sweep.json"


@dataclass(frozen=True)
class SweptRun:
    """A finished run of a sweep.

    Attributes:
        name: recipe and values, as the folder is called.
        path: the folder, as ``pcqtool evaluate`` writes it.
        recipe: name or file of the recipe.
        settings: the values that were set, by dotted key.
        validation_ua: mean over folds and seeds of the UA of the validation part, from 0 to 1.
    """

    name: str
    path: Path
    recipe: str
    settings: Mapping[str, Any]
    validation_ua: float


@dataclass(frozen=True)
class Sweep:
    """The result of a sweep.

    Attributes:
        runs: the runs, in the order of the recipes and values.
        comparison: their scores, sorted by UA, and paired differences from ``chosen``.
        chosen: name of the run with the highest validation UA; of several, the first.
        leaks: whether the protocol validates on test data, so that ``chosen`` is chosen on test data too.
        nested: UA and WA if each fold is predicted by the run that is best on its own validation part; None if the runs
            have different folds, or the protocol leaks.
    """

    runs: tuple[SweptRun, ...]
    comparison: RunComparison
    chosen: str
    leaks: bool
    nested: Mapping[str, Estimate] | None

    def run(self, name: str) -> SweptRun:
        """Return the run of a name."""
        return next(run for run in self.runs if run.name == name)

    def to_dict(self) -> dict[str, Any]:
        """Return the sweep as JSON values."""
        compared = self.comparison.to_dict()
        rows = []
        for row in compared["runs"]:
            run = self.run(row["run"])
            rows.append(row | {"recipe": run.recipe, "set": run.settings, "validation_ua": run.validation_ua})
        scores = (self.nested or {}).items()
        nested = {name: {"value": each.value, "interval": each.interval} for name, each in scores}
        return compared | {
            "schema": JsonFormat.SWEEP,
            "chosen_by_validation": self.chosen,
            "leaks": self.leaks,
            "chosen_in_each_fold": nested or None,
            "runs": rows,
        }


def sweep(
    recipes: StrPath | Sequence[StrPath],
    corpus: str | Sequence[str],
    out: StrPath,
    settings: Mapping[str, Sequence[Any]] | None = None,
    *,
    protocol: str | None = None,
    test_corpus: str | None = None,
    root: StrPath | Sequence[str] | None = None,
    label_map: StrPath | None = None,
    common_classes: bool = False,
    encoder: StrPath | None = None,
    teacher: StrPath | None = None,
    epochs: int | None = None,
    seed: int | None = None,
    seeds: int = 1,
    validation: int | None = None,
    profile: str = AUTO,
    device: str = "auto",
    jobs: int = 0,
    on_progress: OnProgress = ignore,
) -> Sweep:
    """Evaluate recipes with all combinations of some settings, and compare the runs.

    All runs are checked before the first is trained. An interrupted sweep resumes if it is called again: finished runs
    with the same settings are kept.

    Args:
        recipes: name of a recipe in the package, or a TOML file; or several.
        corpus: name of a corpus, or several.
        out: gets a folder for each run, as ``pcqtool evaluate`` writes it, and ``sweep.json``.
        settings: values of each setting, by its key in the recipe's file, such as ``network.dropout``.
        protocol: cross-validation, as for ``evaluate``.
        test_corpus: corpus to test on, as for ``evaluate``.
        root: directory of the corpus, or ``name=directory`` for several.
        label_map: TOML file that renames or leaves out labels.
        common_classes: of several corpora, leave out classes that only some have.
        encoder: pre-trained encoder to build on, instead of the recipes'.
        teacher: pre-trained encoder that teaches, instead of the recipes'.
        epochs: passes over the corpus, instead of the recipes'.
        seed: first seed, instead of the recipes'.
        seeds: number of seeds; each trains every fold of every run once.
        validation: number of speakers (texts, tenths) that validate in a fold, instead of the recipes' share.
        profile: what a model's inputs are standardised by: ``auto``, ``off`` or ``by=speaker``.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.
        jobs: parallel jobs; 0 for one per core.
        on_progress: is called with recordings read, augmented and segmented, with segments encoded, and with folds, in
            each run.

    Returns:
        The runs and their comparison. Choose by validation: the run with the highest test UA is chosen on test data.

    Raises:
        SettingsError: if an argument, a setting or a value is not valid, or there are fewer than two runs.
        PcqtoolError: as ``pcqtool.evaluate``.

    Examples:
        >>> import pcqtool
        >>> grid = {"network.dropout": [0.3, 0.5], "lr": [1e-3, 3e-4]}
        >>> found = pcqtool.sweep("mini", "emodb", "sweep", grid, protocol="loso")  # doctest: +SKIP
        >>> found.chosen, found.nested["ua"].value  # doctest: +SKIP
    """
    check_training_arguments(protocol, test_corpus, seeds, profile)
    from pcqtool.evaluation.sweep_plan import naming, plan_runs

    overrides = {"encoder": encoder, "teacher": teacher, "epochs": epochs, "seed": seed}
    plans = plan_runs(as_list(recipes), settings or {}, overrides)
    division = open_division(corpus, root, label_map, common_classes, protocol, test_corpus)
    folder, n_parallel = as_path(out), n_jobs(jobs)
    runs = []
    for plan in plans:
        with naming(plan.name):
            recipe, origins = plan.load(epochs=epochs, seed=seed), (as_text(encoder), as_text(teacher))
            runs.append(TrainingRuns(division, recipe, seeds, validation, profile, *origins, device, n_parallel))
            runs[-1].check()
    finished = []
    with claim_folder(folder) as claim:
        claim()
        for number, (plan, run) in enumerate(zip(plans, runs, strict=True), 1):
            _log.info(f"run {number} of {len(plans)}: {plan.name}")
            with naming(plan.name):
                run_folder = folder / plan.name
                validation_ua = finish_run(run, run_folder, on_progress).metrics["validation_ua"]
                finished.append(SweptRun(plan.name, run_folder, plan.recipe, plan.settings, validation_ua))
        found = compare_sweep(finished)
        text = json.dumps(found.to_dict(), indent=1, ensure_ascii=False)
        write_whole(folder / FILE, f"{text}\n".encode())
    return found


def finish_run(runs: TrainingRuns, folder: Path, on_progress: OnProgress = ignore) -> FinishedRun:
    """Train and test a recipe, unless that has finished in this folder before with the same settings and data.

    Args:
        runs: the training runs.
        folder: gets what ``pcqtool evaluate`` writes, and a mark; finished folds in it are kept.
        on_progress: as for ``TrainingRuns.run``.

    Raises:
        PcqtoolError: as ``TrainingRuns.run``.
    """
    key = _key(runs)
    if is_finished(folder, key):
        _log.info("finished before")
    else:
        if (folder / MARK).exists():
            changed = "its recipe or its data have changed since, or its files are damaged"
            _log.warning(f"{folder.name}: {changed}: run again")
        runs.run(folder, lambda: None, on_progress).save(folder)
        mark_finished(folder, key)
    return read_run(folder)


def _key(runs: TrainingRuns) -> str:
    import torch

    division = runs.division
    names = [pool and pool.names for pool in (division.pool, division.test)]
    others = [names, division.tests_one, division.protocol.title, runs.profile, torch.__version__]
    return settings_key(runs.recipe, *runs.origins, division.protocol, division.utterances, runs.folds, *others)


def compare_sweep(runs: Sequence[SweptRun]) -> Sweep:
    """Compare finished runs with the one that has the highest validation UA.

    Raises:
        TableError: if predictions are missing, or the runs share no utterance.
    """
    from pcqtool.evaluation.run_comparison import compare_predictions
    from pcqtool.evaluation.run_conditions import RunConditions
    from pcqtool.evaluation.run_directory import load_predictions

    chosen = max(runs, key=lambda run: run.validation_ua).name
    loaded = {}
    for run in runs:
        predictions, provenance = load_predictions(run.path)
        loaded[run.name] = predictions, RunConditions.of(provenance)
    leaks = any(conditions.leaks for _, conditions in loaded.values())
    nested = None if leaks else _choose_in_each_fold([(run, loaded[run.name][0]) for run in runs])
    return Sweep(tuple(runs), compare_predictions(loaded, chosen), chosen, leaks, nested)


def _choose_in_each_fold(runs: Sequence[tuple[SweptRun, Predictions]]) -> dict[str, Estimate] | None:
    """Score each fold's test part as predicted by the run that is best on the fold's validation part."""
    import numpy as np

    from pcqtool.evaluation.predictions import Predictions

    validation = [
        {(each["seed"], each["fold"]): each["validation_ua"] for each in read_run(run.path).metrics["runs"]}
        for run, _ in runs
    ]
    classes = {rows.labels for _, rows in runs}
    if len(classes) > 1 or any(each.keys() != validation[0].keys() for each in validation):
        return None
    best = {fold: max(range(len(runs)), key=lambda index: validation[index][fold]) for fold in validation[0]}
    parts = []
    for index, (_, rows) in enumerate(runs):
        folds = zip(rows.seed, rows.fold, strict=True)
        parts.append(rows.select(np.fromiter((best[fold] == index for fold in folds), bool, len(rows))))
    scores = Predictions.concatenate(parts).score()
    return {"ua": Estimate(scores.ua, scores.ua_interval), "wa": Estimate(scores.wa, scores.wa_interval)}
