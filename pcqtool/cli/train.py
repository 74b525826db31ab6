"""``pcqtool train``: train a model on one or several corpora."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pcqtool.cli.common import console, options
from pcqtool.json_format import JsonFormat


def train(
    corpus: options.Corpora,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Directory for the model.")] = Path("model"),
    root: options.Roots = None,
    label_map: options.LabelMapFile = None,
    common_classes: options.CommonClasses = False,
    recipe: options.RecipeName = "best",
    encoder: options.Encoder = None,
    encoder_name: Annotated[
        str | None,
        typer.Option(
            "--encoder-name",
            metavar="ID",
            help="Leave the weights of a frozen encoder out; the model refers to it by this Hub id and a hash.",
            rich_help_panel=options.RECIPE,
        ),
    ] = None,
    teacher: options.Teacher = None,
    epochs: options.Epochs = None,
    seed: options.Seed = None,
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="Name of the model. Default: the directory's.")
    ] = None,
    license: Annotated[
        str | None,
        typer.Option(
            "--license", metavar="TEXT", help="One line on the model's license. Default: what its corpora demand."
        ),
    ] = None,
    tensorboard: Annotated[
        Path | None,
        typer.Option("--tensorboard", metavar="DIR", help="Write TensorBoard curves into this directory."),
    ] = None,
    device: options.Device = "auto",
    jobs: options.Jobs = 0,
    json: options.Json = False,
) -> None:
    """Train a model on one or several corpora.

    The model gets the classes of all corpora. Some speakers, at least one of each corpus, validate: they
    choose the epoch and calibrate the model; the recipe sets their share. DIR must be new or empty; it works with
    'pcqtool label --model DIR'. The same command resumes an interrupted run. To measure a recipe's accuracy, use
    'pcqtool evaluate --protocol loso'.
    """
    from pcqtool.training.api import train as train_model

    with console.reporting() as on_progress:
        trained = train_model(
            corpus,
            out,
            root=root,
            label_map=label_map,
            common_classes=common_classes,
            recipe=recipe,
            encoder=encoder,
            encoder_name=encoder_name,
            teacher=teacher,
            epochs=epochs,
            seed=seed,
            name=name,
            license=license,
            tensorboard=tensorboard,
            device=device,
            jobs=jobs,
            on_progress=on_progress,
        )
    metrics = trained.metrics
    if json:
        console.print_json(JsonFormat.TRAINING, {"model": out, **metrics})
    else:
        scores = metrics["validation"]
        console.print_fields(
            {
                "model": out,
                "classes": ", ".join(trained.labels),
                "validation": f"WA {100 * scores['wa']:.1f} %, UA {100 * scores['ua']:.1f} % "
                f"({scores['n']} files of speaker {', '.join(metrics['validation_speakers'])}; "
                "chose the epoch, no test)",
                "license": metrics["license"] or "unknown",
                "epochs": f"{metrics['best_epoch']} of {trained.n_epochs}",
            }
        )
