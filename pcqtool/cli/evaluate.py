"""``pcqtool evaluate``: how good a recipe, or a finished model, is on a corpus."""

from __future__ import annotations

import json as json_
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pcqtool.cli import console, options
from pcqtool.errors import SettingsError

if TYPE_CHECKING:
    from pcqtool.training.crossval import FoldResult
    from pcqtool.training.experiment import Experiment
    from pcqtool.training.splits import Fold


def evaluate(
    corpus: options.CorpusName,
    protocol: Annotated[
        str | None,
        typer.Option(
            "--protocol", metavar="loso", help="Cross-validate the recipe: loso leaves one speaker out at a time."
        ),
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", metavar="NAME|DIR", help="Judge with this model instead of training any.")
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="DIR", help="Directory for metrics.json and the folds.")
    ] = Path("evaluation"),
    root: options.Root = None,
    encoder_dir: options.EncoderDir = None,
    recipe: options.RecipeName = "mini",
    encoder: options.Encoder = None,
    teacher: options.Teacher = None,
    epochs: options.Epochs = None,
    seed: options.Seed = 0,
    device: options.Device = "auto",
    jobs: options.Jobs = 0,
    json: options.Json = False,
) -> None:
    """Evaluate a recipe by cross-validation, or a finished model.

    With --protocol a model is trained for each fold and judges only speakers that it has not heard; a run that was
    stopped goes on where it was. With --model nothing is trained.
    """
    if (protocol is None) == (model is None):
        raise SettingsError("one of --protocol and --model is needed, and not both", "For example: --protocol loso")
    from pcqtool.corpora import registry
    from pcqtool.tables.atomic import replacing
    from pcqtool.training.splits import PROTOCOLS

    if protocol is not None and protocol not in PROTOCOLS:
        raise SettingsError(f"unknown protocol {protocol!r}", f"Known: {', '.join(PROTOCOLS)}.")
    utterances = registry.get(corpus, root).utterances()
    n_jobs = options.n_jobs(jobs)
    if model is not None:
        from pcqtool.training.apply import apply_model

        encoders = options.places(encoder_dir, download=True)
        metrics = apply_model(model, corpus, utterances, device, n_jobs, encoders)
    else:
        from pcqtool.training.recipe import load_recipe

        folds = PROTOCOLS[str(protocol)](utterances, seed)
        settings = load_recipe(recipe, epochs=epochs, seed=seed)

        from pcqtool.model.predictor import choose_device
        from pcqtool.training.experiment import Experiment

        console.info(f"{corpus}: {len(utterances)} utterances, {len(folds)} folds")
        experiment = Experiment(utterances, settings, choose_device(device), encoder, teacher, n_jobs)
        metrics = {"corpus": corpus, "protocol": protocol}
        metrics |= _cross_validate(experiment, folds, out / "folds", n_jobs)
    with replacing(out / "metrics.json") as file:
        file.write(f"{json_.dumps(metrics, indent=1)}\n".encode())
    if "warning" in metrics:
        console.warn(metrics["warning"])
    if json:
        console.print_json(metrics)
    else:
        _show(metrics, out)


def _cross_validate(experiment: Experiment, folds: Sequence[Fold], folder: Path, n_jobs: int) -> dict[str, Any]:
    from pcqtool.training.crossval import cross_validate, summarise

    seed = experiment.recipe.seed
    with console.progress(len(folds), "folds") as progress:

        def tell(result: FoldResult) -> None:
            progress.advance(note=f"validation UA {100 * result.validation_ua:.1f} %")

        n_parallel = n_jobs if experiment.device.type == "cpu" else 1
        results = cross_validate(experiment, folds, seed, folder, n_parallel, tell)
    return summarise(experiment, results, seed)


def _show(metrics: Mapping[str, Any], out: Path) -> None:
    pooled = metrics["pooled"]
    folds = metrics.get("folds")
    console.print_fields(
        {
            "protocol": metrics["protocol"],
            "files": pooled["n"],
            "WA": _percent(pooled["wa"], pooled["wa_interval"]),
            "UA": _percent(pooled["ua"], pooled["ua_interval"]),
            "macro-F1": f"{100 * pooled['macro_f1']:.1f} %",
            "ECE": f"{pooled['ece']:.3f}",
            "over folds": folds and f"WA {_spread(folds['wa'])}, UA {_spread(folds['ua'])}",
            "shared": _overlap(metrics),
            "metrics": out / "metrics.json",
        }
    )
    labels = metrics["labels"]
    rows = [
        (label, *counts, "" if pooled["recall"][label] is None else f"{100 * pooled['recall'][label]:.1f} %")
        for label, counts in zip(labels, pooled["confusion"], strict=True)
    ]
    console.print_table(("true, judged →", *labels, "recall"), rows)


def _percent(value: float, interval: tuple[float, float] | None) -> str:
    text = f"{100 * value:.1f} %"
    if interval is None:
        return text
    return f"{text} (95 % interval over speakers {100 * interval[0]:.1f} to {100 * interval[1]:.1f})"


def _spread(spread: Mapping[str, float | None]) -> str:
    sd = "–" if spread["sd"] is None else f"{100 * spread['sd']:.1f}"
    return f"{100 * (spread['mean'] or 0.0):.1f} ± {sd} %"


def _overlap(metrics: Mapping[str, Any]) -> str:
    """Say what test and training parts have in common, at most over all folds."""
    if "overlap" not in metrics:
        return ""
    worst: dict[str, int | None] = {}
    for fold in metrics["overlap"].values():
        for group, count in fold["test"].items():
            known = [n for n in (worst.get(group), count) if n is not None]
            worst[group] = max(known, default=None)
    parts = [f"{group} {'unknown' if count is None else count}" for group, count in worst.items()]
    return f"between training and test, in any fold at most: {', '.join(parts)}"
