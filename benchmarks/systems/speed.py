"""Labelling speed of the systems on one machine: the same recordings in turn, on the same cores."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks.end_to_end import VAD_OFF, System, on_cores, pcqtool_systems, run_in_turn
from benchmarks.sample import Sample
from benchmarks.systems.catalogue import ComparedSystem
from benchmarks.systems.records import SPEED, Record, check_encoder, reason
from pcqtool.batch.names import find_sources
from pcqtool.evaluation.summary import describe_machine
from pcqtool.labelling.settings import LabelSettings
from pcqtool.model.config import CONFIG
from pcqtool.model.encoder_search import search_path
from pcqtool.model.predictors import load_predictors
from pcqtool.progress import OnProgress, ignore
from pcqtool.training.api import train

REPETITIONS = 3
MAX_FILES = 200

_log = logging.getLogger(__name__)


def measure_speed(
    systems: Sequence[ComparedSystem],
    recordings: Path,
    models: Path,
    roots: Sequence[str],
    jobs: int = 0,
    on_progress: OnProgress = ignore,
) -> list[Record]:
    """Measure how fast systems label, from decoding to tables, with models loaded, without voice activity detection.

    Args:
        systems: the systems.
        recordings: a folder, of which up to ``MAX_FILES`` recordings are labelled, spread evenly.
        models: a folder with a model directory for each system; one that is missing is trained on EMO-DB.
        roots: directories of corpora, ``name=directory``.
        jobs: number of cores, and of decoding jobs; 0 for all cores.
        on_progress: as for ``pcqtool.train``.

    Returns:
        A record for each system whose model could be had. ``speed`` has multiples of real time: the median, and those
        of the repetitions.
    """
    usual = LabelSettings(jobs=jobs)
    found = find_sources([recordings])
    with on_cores(usual.n_jobs):
        sample = Sample.of(found[:: max(1, len(found) // MAX_FILES)][:MAX_FILES])
        prepared: dict[str, System] = {}
        for system in systems:
            try:
                directory = _model(system, models / system.name, roots, jobs, on_progress)
                prepared[system.name] = _labelling(directory, sample, usual)
            except Exception as error:  # of a plugin, of any kind
                _log.warning(f"{system.title}: skipped: {reason(error)}")
        outcomes = run_in_turn(prepared, REPETITIONS)
    about = describe_machine(torch.device("cpu"))
    settings = {"cores": usual.n_jobs, "n_files": len(sample.sources), "audio_s": round(sample.audio_s, 1)}
    return [
        {
            "system": name,
            "condition": SPEED,
            "speed": {"median": round(each.rate, 1), "all": [round(rate, 1) for rate in each.rates], **settings},
            **about,
        }
        for name, each in outcomes.items()
    ]


def _model(system: ComparedSystem, directory: Path, roots: Sequence[str], jobs: int, on_progress: OnProgress) -> Path:
    """Return a system's model directory; it is trained if it is missing."""
    if not (directory / CONFIG).is_file():
        recipe = system.load()
        origins = recipe.encoder_and_teacher(system.encoder or None)
        check_encoder(origins)
        _log.info(f"training {system.title}")
        own = [root for root in roots if root.startswith("emodb=")]
        encoder = system.encoder or None
        train("emodb", directory, root=own, recipe=system.recipe, encoder=encoder, jobs=jobs, on_progress=on_progress)
    return directory


def _labelling(directory: Path, sample: Sample, settings: LabelSettings) -> System:
    n_samples = settings.reader_options.n_samples
    predictors = load_predictors(
        directory, "cpu", search_path(None, download=False), n_samples, settings.precision, settings.runtime
    )
    return pcqtool_systems(sample, predictors[0], settings)[VAD_OFF]
