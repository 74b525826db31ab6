"""Training and testing of systems under conditions: resumed, and a failure does not stop the others."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from benchmarks.systems.catalogue import ComparedSystem, Condition, conditions_of
from benchmarks.systems.records import Record, check_encoder, count_parameters, make_record, merge, reason
from pcqtool.arguments import n_jobs
from pcqtool.errors import PcqtoolError
from pcqtool.evaluation.sweep import finish_run
from pcqtool.evaluation.training_runs import Division, TrainingRuns, open_division
from pcqtool.files.lock import claim_folder
from pcqtool.progress import OnProgress, ignore

_log = logging.getLogger(__name__)


def run_all(
    systems: Sequence[ComparedSystem],
    conditions: Sequence[Condition] | None,
    roots: Sequence[str],
    out: Path,
    records: Path,
    seeds: int = 1,
    device: str = "auto",
    jobs: int = 0,
    on_progress: OnProgress = ignore,
) -> int:
    """Train and test systems under conditions, and record each run as soon as it has finished.

    Args:
        systems: the systems.
        conditions: the conditions; None for those that each system is compared under.
        roots: directories of corpora, ``name=directory``.
        out: gets a folder for each condition with a folder for each system.
        records: the file of the records.
        seeds: number of seeds.
        device: as for ``pcqtool.evaluate``.
        jobs: folds at the same time; 0 for one per core.
        on_progress: as for ``pcqtool.evaluate``.

    Returns:
        The number of runs that failed. What cannot be run here is logged, and is not counted.
    """
    n_failed = 0
    wanted = conditions or tuple(dict.fromkeys(each for system in systems for each in conditions_of(system)))
    with claim_folder(out) as claim:
        claim()
        for condition in wanted:
            own = [system for system in systems if condition in conditions_of(system) or conditions is not None]
            try:
                division = _open(condition, roots)
            except PcqtoolError as error:
                _log.warning(f"{condition.name}: skipped: {error.what}")
                continue
            for system in own:
                runs = _plan(system, condition, division, seeds, device, n_jobs(jobs))
                if runs is None:
                    continue
                _log.info(f"{condition.name}: {system.title}")
                try:
                    merge(records, [_record(system, condition, runs, out, on_progress)])
                except Exception as error:  # of a plugin, of any kind
                    n_failed += 1
                    _log.warning(f"{condition.name}, {system.title}: failed: {reason(error)}")
    return n_failed


def _open(condition: Condition, roots: Sequence[str]) -> Division:
    names = {corpus.partition("=")[0] for corpus in condition.corpora}
    own = [root for root in roots if root.partition("=")[0] in names]
    return open_division(condition.corpora, own, None, condition.several_corpora, condition.protocol, None)


def _plan(
    system: ComparedSystem, condition: Condition, division: Division, seeds: int, device: str, jobs: int
) -> TrainingRuns | None:
    """Return checked training runs; None, with a line that says why, where there are none."""
    try:
        recipe = system.load(condition.several_corpora)
        origins = recipe.encoder_and_teacher(system.encoder or None)
        check_encoder(origins)
        runs = TrainingRuns(division, recipe, seeds, None, condition.profile, *origins, device, jobs)
        runs.check()
    except PcqtoolError as error:
        _log.warning(f"{condition.name}, {system.title}: skipped: {error.what}")
        return None
    if not condition.fits(float(recipe.network.get("profile_s", 0.0))):
        _log.info(f"{condition.name}, {system.title}: skipped: it has no profiles")
        return None
    return runs


def _record(
    system: ComparedSystem, condition: Condition, runs: TrainingRuns, out: Path, on_progress: OnProgress
) -> Record:
    run = finish_run(runs, out / condition.name / system.name, on_progress)
    return make_record(system, condition, run, count_parameters(system, runs.recipe, run.labels))
