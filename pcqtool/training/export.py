"""From a trained network to a model directory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from pcqtool.corpora.pool import CorpusPool
from pcqtool.errors import ModelError, SettingsError
from pcqtool.files.atomic import TEMPORARY_SUFFIX, reported, sweep
from pcqtool.files.lock import LOCK_FILE
from pcqtool.metrics.scores import score
from pcqtool.model.directory import CARD, CONFIG, METRICS, WEIGHTS, ModelConfig, network_config_to_json, save
from pcqtool.model.external_encoder import check_external, reference_encoder
from pcqtool.splits import Fold, overlap
from pcqtool.training.checkpoint import CHECKPOINT
from pcqtool.training.experiment import Experiment, Trained
from pcqtool.training.model_card import write_card
from pcqtool.version import __version__


def prepare(out: Path) -> None:
    """Make the directory that a model is to go into, before hours are spent on training it.

    It must be empty, but for what a run that was killed has left: its checkpoint, or half a model beside that.

    Raises:
        SettingsError: if there is something else in it, be it a model: nothing is replaced.
        FileError: if it cannot be made.
    """
    with reported(out):
        out.mkdir(parents=True, exist_ok=True)
        names = {path.name for path in out.iterdir()}
    unfinished = CHECKPOINT in names and CONFIG not in names
    ours = {CHECKPOINT, WEIGHTS, METRICS, CARD} if unfinished else set()
    if foreign := {name for name in names - ours if not _is_left_over(name)}:
        raise SettingsError(
            f"{out} is not empty: {min(foreign)} is in it", "Name another directory with --out, or remove this one."
        )


def _is_left_over(name: str) -> bool:
    """Say whether a file is a lock, ours or of a process that was killed, or what that one was writing."""
    return name == LOCK_FILE or (name.startswith(".") and name.endswith(TEMPORARY_SUFFIX))


def check_left_out(experiment: Experiment) -> None:
    """Check, before hours are spent on training, that the encoder can be left out of the model's directory.

    Raises:
        SettingsError: if it is not a pre-trained one, or is trained.
    """
    try:
        check_external(experiment.config.encoder)
    except ModelError as error:
        raise SettingsError(error.what, error.hint) from error


def export_model(
    out: Path,
    name: str,
    pool: CorpusPool,
    experiment: Experiment,
    fold: Fold,
    trained: Trained,
    encoder_name: str | None = None,
) -> dict[str, Any]:
    """Write the directory of a trained model, and remove its checkpoint; give what went into ``metrics.json``.

    Args:
        out: the new or empty directory.
        name: of the model.
        pool: the corpora it was trained on.
        experiment: the corpus and recipe.
        fold: which utterances were learned from, which decided when to stop.
        trained: the model.
        encoder_name: Hub id of a frozen encoder whose weights are to be left out; ``None`` to store all weights.

    Raises:
        SettingsError: if the directory is not empty.
        FileError: if it cannot be written to.
        ModelError: if a weight does not fit into half precision, or the encoder cannot be left out.
    """
    prepare(out)
    speakers = _speakers(experiment, trained.train)
    config = ModelConfig(
        name=name,
        labels=experiment.labels,
        network=network_config_to_json(trained.model.config),
        temperature=trained.temperature,
        aggregation=experiment.recipe.aggregation,
        trained_on=f"trained on {' and '.join(pool.titles)} "
        f"({len(trained.train)} utterances, {len(speakers)} speakers; {', '.join(experiment.labels)})",
        provenance={
            "tool_version": __version__,
            "torch_version": torch.__version__,
            "created": datetime.now(UTC).replace(microsecond=0).isoformat(),
            "corpora": list(pool.names),
            "data": pool.provenance(),
            "train_speakers": speakers,
            "recipe": experiment.recipe.to_dict(),
            **experiment.origins,
        },
        encoder_source=None if encoder_name is None else reference_encoder(trained.model, encoder_name),
    )
    metrics = {**_metrics(experiment, fold, trained), "corpora": pool.provenance()}
    save(out, config, trained.model, metrics, write_card(config, pool, metrics))
    with reported(out):
        (out / CHECKPOINT).unlink(missing_ok=True)
    sweep(out)
    return metrics


def _metrics(experiment: Experiment, fold: Fold, trained: Trained) -> dict[str, Any]:
    validation = list(fold.validation)
    truth, said = experiment.targets[validation], trained.validation
    scores = score(truth, said.argmax(axis=1), said, experiment.labels)
    return {
        "protocol": "holdout: validation on other speakers than training, no test",
        "validation": scores.to_dict(),
        "validation_speakers": _speakers(experiment, validation),
        "overlap": asdict(overlap(fold, experiment.utterances)),
        "best_epoch": trained.best.number,
        "history": [epoch.to_dict() for epoch in trained.history],
    }


def _speakers(experiment: Experiment, utterances: Sequence[int]) -> list[str]:
    return sorted({experiment.utterances[index].speaker or "" for index in utterances})
