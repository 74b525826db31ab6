"""Training from Python: ``pcqtool.train``."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pcqtool.arguments import as_list, as_path, as_text, n_jobs
from pcqtool.corpora.label_map import load_label_map
from pcqtool.corpora.pool import open_pool
from pcqtool.corpora.spec import parse_specs
from pcqtool.progress import OnProgress, Progress, ignore
from pcqtool.splits import holdout
from pcqtool.training.model_license import check_given_license
from pcqtool.training.recipe import load_recipe

if TYPE_CHECKING:
    from pcqtool.training.trainer import Epoch

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainedModel:
    """A model directory and how its training went.

    Attributes:
        path: the directory, for ``pcqtool.load_model`` and ``pcqtool.label``.
        labels: the classes, in the order of its probabilities.
        metrics: what the directory's ``metrics.json`` contains.
        n_epochs: epochs that were trained.
    """

    path: Path
    labels: Sequence[str]
    metrics: dict[str, Any]
    n_epochs: int


def train(
    corpus: str | Sequence[str],
    out: str | Path = "model",
    *,
    root: str | Path | Sequence[str] | None = None,
    label_map: str | Path | None = None,
    common_classes: bool = False,
    recipe: str | Path = "best",
    encoder: str | Path | None = None,
    encoder_name: str | None = None,
    teacher: str | Path | None = None,
    epochs: int | None = None,
    seed: int | None = None,
    name: str | None = None,
    license: str | None = None,
    tensorboard: str | Path | None = None,
    device: str = "auto",
    jobs: int = 0,
    on_progress: OnProgress = ignore,
) -> TrainedModel:
    """Train a model on one corpus or several; classes that a corpus does not have are masked for its recordings.

    The recipe keeps some speakers of each corpus for validation, which chooses the epoch and the temperature. An
    interrupted training resumes if it is called again with the same arguments.

    Args:
        corpus: name of a corpus, or several; ``own=emodb`` gives a corpus another name.
        out: directory of the model; new or empty.
        root: directory of the corpus, or ``name=directory`` for several; None for the folder of that name inside
            ``PCQTOOL_CORPORA``.
        label_map: TOML file that renames or leaves out labels.
        common_classes: of several corpora, leave out classes that only some have.
        recipe: name of a recipe in the package, or a TOML file.
        encoder: pre-trained encoder to build on, instead of the recipe's: a directory or a Hub id.
        encoder_name: Hub id by which the model refers to a frozen encoder instead of containing its weights.
        teacher: pre-trained encoder that teaches, instead of the recipe's.
        epochs: passes over the corpus, instead of the recipe's.
        seed: seed of weights, order and augmentation, instead of the recipe's.
        name: name of the model; None for the directory's.
        license: one line on the model's license; None to derive it from the corpora, whose terms it follows.
        tensorboard: directory for TensorBoard curves.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.
        jobs: parallel jobs; 0 for one per core.
        on_progress: is called with recordings read and augmented, segments encoded, then with epochs.

    Raises:
        SettingsError: if an argument is not valid, or ``out`` is not empty.
        CorpusError: if a corpus is missing or does not fit the recipe.
        ModelError: if an encoder cannot be loaded.
        TrainingError: if the training diverges.

    Examples:
        >>> import pcqtool
        >>> model = pcqtool.train("emodb", out="mine")  # doctest: +SKIP
        >>> pcqtool.label("calls/", model=model.path)  # doctest: +SKIP
    """
    out = as_path(out)
    chosen, renaming = (
        parse_specs(as_list(corpus), as_list(root)),
        load_label_map(None if label_map is None else Path(label_map)),
    )
    check_given_license(license)
    settings = load_recipe(str(recipe), epochs=epochs, seed=seed)
    origins = settings.encoder_and_teacher(as_text(encoder), as_text(teacher))
    pool = open_pool(chosen, renaming, common_classes)
    utterances = pool.utterances
    settings = settings.for_corpus(len(utterances))
    fold = holdout(utterances, settings.seed, settings.validation_size(), pool.corpus_of_each)

    from pcqtool.files.lock import lock_folder
    from pcqtool.model.device import choose_device
    from pcqtool.training.checkpoint import CHECKPOINT, Checkpoint, run_fingerprint
    from pcqtool.training.experiment import Experiment
    from pcqtool.training.export import check_external_encoder, export_model, prepare_directory
    from pcqtool.training.tensorboard import check_outside, tensorboard_writer

    curves = None if tensorboard is None else Path(tensorboard)
    check_outside(curves, out)
    with lock_folder(out):
        prepare_directory(out)
        checkpoint = Checkpoint(out / CHECKPOINT, run_fingerprint(utterances, settings, fold, *origins))
        n_done = checkpoint.n_epochs()
        for note in pool.label_changes:
            _log.info(note)
        _log.info("%s: %d utterances, %d of them for validation", pool.name, len(utterances), len(fold.validation))
        if n_done:
            _log.info("resuming after epoch %d of %d", n_done, settings.epochs)
        n_all = settings.n_distillation_epochs + settings.epochs
        n_trained = n_done
        with tensorboard_writer(curves) as write_curves:

            def on_epoch(epoch: Epoch) -> None:
                nonlocal n_trained
                n_trained += 1
                note = f"loss {epoch.loss:.3f}, validation UA {100 * epoch.validation_ua:.1f} %"
                on_progress(Progress(n_trained, n_all, "epochs", note))
                _log.debug("epoch %d: %s", epoch.number, asdict(epoch))
                write_curves(epoch)

            def on_distillation(number: int, loss: float) -> None:
                nonlocal n_trained
                n_trained += 1
                on_progress(Progress(n_trained, n_all, "epochs", f"feature distillation, loss {loss:.3f}"))
                _log.debug("epoch %d of feature distillation: loss %s", number, loss)

            def on_corpus(done: int, total: int) -> None:
                on_progress(Progress(done, total, "corpora left out for calibration"))

            jobs = n_jobs(jobs)
            corpora = pool.corpus_of_each
            experiment = Experiment(utterances, settings, choose_device(device), *origins, jobs, corpora)
            experiment.prepare(on_progress)
            if encoder_name is not None:
                check_external_encoder(experiment)
            on_progress(Progress(n_trained, n_all, "epochs"))
            trained = experiment.train(fold, settings.seed, on_epoch, checkpoint, on_distillation, on_corpus)
        name = name or out.resolve().name
        metrics = export_model(out, name, pool, experiment, fold, trained, encoder_name, license)
    return TrainedModel(out, experiment.labels, metrics, len(trained.history))
