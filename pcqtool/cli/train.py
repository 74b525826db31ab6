"""``pcqtool train``: one model from one corpus or several."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pcqtool.cli.common import console, options, values
from pcqtool.cli.common.evaluation_runs import tell_labels

if TYPE_CHECKING:
    from pcqtool.training.trainer import Epoch


def train(
    corpus: options.Corpora,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Directory for the model.")] = Path("model"),
    root: options.Roots = None,
    label_map: options.LabelMapFile = None,
    all_classes: options.AllClasses = False,
    recipe: options.RecipeName = "best",
    encoder: options.Encoder = None,
    encoder_name: Annotated[
        str | None,
        typer.Option(
            "--encoder-name",
            metavar="ID",
            help="Leave a frozen encoder's weights out: the model names it by this Hub id and a hash of its tensors.",
        ),
    ] = None,
    teacher: options.Teacher = None,
    epochs: options.Epochs = None,
    seed: options.Seed = None,
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="Name of the model. Without it: the directory's.")
    ] = None,
    tensorboard: Annotated[
        Path | None,
        typer.Option("--tensorboard", metavar="DIR", help="Write curves for TensorBoard into this directory."),
    ] = None,
    device: options.Device = "auto",
    jobs: options.Jobs = 0,
    json: options.Json = False,
) -> None:
    """Train a model on a corpus, or on several with the classes that they share.

    A share of the speakers that the recipe sets, at least one of each corpus, is kept aside to decide when to stop and
    to calibrate. The directory, which must be new or empty, can then be given to 'pcqtool label --model'. A run that
    was stopped goes on where it was, if it is started again in the same way. For honest figures of a recipe use
    'pcqtool evaluate --protocol loso'.
    """
    from pcqtool.corpora.label_map import read_map
    from pcqtool.corpora.pool import open_pool
    from pcqtool.corpora.sources import sources
    from pcqtool.splits import holdout
    from pcqtool.training.recipe import load_recipe

    chosen, renaming = sources(corpus, root or ()), read_map(label_map)
    settings = load_recipe(recipe, epochs=epochs, seed=seed)
    encoder, teacher = settings.encoder_and_teacher(encoder, teacher)
    pool = open_pool(chosen, renaming, all_classes)
    utterances = pool.utterances
    fold = holdout(utterances, settings.seed, settings.validation_size(), pool.origins)

    from pcqtool.files.folder import writing_into
    from pcqtool.model.device import choose_device
    from pcqtool.training.checkpoint import CHECKPOINT, Checkpoint, run_fingerprint
    from pcqtool.training.experiment import Experiment
    from pcqtool.training.export import check_external_encoder, export_model, prepare_directory
    from pcqtool.training.tensorboard import check_outside, tensorboard_writer

    check_outside(tensorboard, out)
    with writing_into(out):
        prepare_directory(out)
        checkpoint = Checkpoint(out / CHECKPOINT, run_fingerprint(utterances, settings, fold, encoder, teacher))
        n_done = checkpoint.n_epochs()
        tell_labels(pool)
        console.info(f"{pool.name}: {len(utterances)} utterances, {len(fold.validation)} of them for validation")
        if n_done:
            console.info(f"going on after epoch {n_done} of {settings.epochs}")
        where, n_jobs = choose_device(device), values.n_jobs(jobs)
        with tensorboard_writer(tensorboard) as write_curves:
            with console.counting("segments encoded") as count:
                experiment = Experiment(utterances, settings, where, encoder, teacher, n_jobs).prepare(count)
            if encoder_name is not None:
                check_external_encoder(experiment)
            n_distillation = settings.feature_distillation.epochs if settings.feature_distillation is not None else 0
            with console.progress(n_distillation + settings.epochs - n_done, "epochs") as progress:

                def tell(epoch: Epoch) -> None:
                    progress.advance(note=f"loss {epoch.loss:.3f}, validation UA {100 * epoch.validation_ua:.1f} %")
                    console.debug(f"epoch {epoch.number}: {asdict(epoch)}")
                    write_curves(epoch)

                def tell_distillation(number: int, loss: float) -> None:
                    progress.advance(note=f"feature distillation, loss {loss:.3f}")
                    console.debug(f"epoch {number} of feature distillation: loss {loss}")

                trained = experiment.train(fold, settings.seed, tell, checkpoint, tell_distillation)
        metrics = export_model(out, name or out.resolve().name, pool, experiment, fold, trained, encoder_name)
    if json:
        console.print_json({"model": out, **metrics})
    else:
        scores = metrics["validation"]
        console.print_fields(
            {
                "model": out,
                "classes": ", ".join(experiment.labels),
                "validation": f"WA {100 * scores['wa']:.1f} %, UA {100 * scores['ua']:.1f} % "
                f"({scores['n']} files of speaker {', '.join(metrics['validation_speakers'])}; "
                "chose the epoch, no test)",
                "epochs": f"{metrics['best_epoch']} of {len(trained.history)}",
            }
        )
