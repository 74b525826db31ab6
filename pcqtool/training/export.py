"""Export: write the directory of a trained model."""

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
from pcqtool.json_format import JsonFormat
from pcqtool.metrics.scores import score
from pcqtool.model.directory import CARD, CONFIG, METRICS, WEIGHTS, ModelConfig, save
from pcqtool.model.external_encoder import check_external, reference_encoder
from pcqtool.model.network_settings import network_config_to_json
from pcqtool.splits import Fold, overlap
from pcqtool.training.checkpoint import CHECKPOINT
from pcqtool.training.experiment import Experiment, Trained
from pcqtool.training.model_card import write_card
from pcqtool.training.model_license import model_license
from pcqtool.version import __version__


def prepare_directory(out: Path) -> None:
    """Create the directory of a model before training.

    It must be empty, except for the files of a run that was killed: its checkpoint, and perhaps half a model.

    Raises:
        SettingsError: if it contains anything else, even a model: no file is replaced.
        FileError: if it cannot be created.
    """
    with reported(out):
        out.mkdir(parents=True, exist_ok=True)
        names = {path.name for path in out.iterdir()}
    unfinished = CHECKPOINT in names and CONFIG not in names
    own = {CHECKPOINT, WEIGHTS, METRICS, CARD} if unfinished else set()
    if others := {name for name in names - own if not _is_temporary(name)}:
        raise SettingsError(
            f"{out} is not empty: it contains {min(others)}", "Name another directory with --out, or remove this one."
        )


def _is_temporary(name: str) -> bool:
    """Check whether a file is a lock, or a temporary file of a process that was killed."""
    return name == LOCK_FILE or (name.startswith(".") and name.endswith(TEMPORARY_SUFFIX))


def check_external_encoder(experiment: Experiment) -> None:
    """Check before training that the encoder's weights can be left out of the model's directory.

    Raises:
        SettingsError: if the encoder is not pre-trained, or is trained further.
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
    given_license: str | None = None,
) -> dict[str, Any]:
    """Write the directory of a trained model and remove its checkpoint; return the content of ``metrics.json``.

    Args:
        out: the new or empty directory.
        name: the model's name.
        pool: the corpora it was trained on.
        experiment: the prepared experiment.
        fold: the training and validation parts.
        trained: the model.
        encoder_name: Hub id of a frozen encoder whose weights are left out; ``None`` to store all weights.
        given_license: one line on the model's license; ``None`` to derive it from the corpora.

    Raises:
        SettingsError: if the directory is not empty.
        FileError: if it cannot be written to.
        ModelError: if a weight exceeds the range of half precision, or the encoder cannot be left out.
    """
    prepare_directory(out)
    speakers = _speakers(experiment, trained.train)
    config = ModelConfig(
        name=name,
        labels=experiment.labels,
        network=network_config_to_json(trained.model.config, experiment.recipe.kind),
        plugins=experiment.plugins,
        temperature=trained.temperatures.profiled,
        plain_temperature=trained.temperatures.plain,
        aggregation=experiment.recipe.aggregation,
        trained_on=f"trained on {_named(pool)} "
        f"({len(trained.train)} utterances, {len(speakers)} speakers; {', '.join(experiment.labels)})",
        provenance={
            "tool_version": __version__,
            "torch_version": torch.__version__,
            "created": datetime.now(UTC).replace(microsecond=0).isoformat(),
            "corpora": list(pool.names),
            "data": pool.provenance(),
            "train_speakers": speakers,
            "recipe": experiment.recipe.to_dict(),
            **experiment.pretrained_names,
        },
        encoder_source=None if encoder_name is None else reference_encoder(trained.model, encoder_name),
        license=model_license(each.corpus for each in pool.members) if given_license is None else given_license,
    )
    metrics = {**_metrics(experiment, fold, trained), "corpora": pool.provenance(), "license": config.license}
    save(out, config, trained.model, metrics, write_card(config, pool, metrics))
    with reported(out):
        (out / CHECKPOINT).unlink(missing_ok=True)
    sweep(out)
    return metrics


def _metrics(experiment: Experiment, fold: Fold, trained: Trained) -> dict[str, Any]:
    validation = list(fold.validation)
    truth, predicted = experiment.targets[validation], trained.validation
    scores = score(truth, predicted.argmax(axis=1), predicted, experiment.labels)
    return {
        "schema": JsonFormat.TRAINING,
        "protocol": "holdout: validation on other speakers than training, no test",
        "validation": scores.to_dict(),
        "validation_speakers": _speakers(experiment, validation),
        "overlap": asdict(overlap(fold, experiment.utterances)),
        "best_epoch": trained.best.number,
        "history": [epoch.to_dict() for epoch in trained.history],
    }


def _named(pool: CorpusPool) -> str:
    """Return the title of a corpus, or the names of several."""
    if len(pool.members) == 1:
        return pool.titles[0]
    return f"{', '.join(pool.names[:-1])} and {pool.names[-1]}"


def _speakers(experiment: Experiment, utterances: Sequence[int]) -> list[str]:
    return sorted({experiment.utterances[index].speaker or "" for index in utterances})
