"""``pcqtool evaluate``: measure the accuracy of a recipe or a finished model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from pcqtool.cli.common import completion, console, evaluation_options, options
from pcqtool.errors import SettingsError
from pcqtool.json_format import JsonFormat

_CORPUS = "corpus"  # the protocol that leaves one corpus out
_TRAINING_OPTIONS = ("recipe", "encoder", "teacher", "epochs", "seed", "seeds", "validation")


def evaluate(
    ctx: typer.Context,
    corpus: options.Corpora,
    protocol: evaluation_options.Protocol = None,
    test_corpus: evaluation_options.TestCorpus = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            metavar="NAME|DIR",
            help="Evaluate this finished model instead of a recipe.",
            autocompletion=completion.models,
        ),
    ] = None,
    out: Annotated[
        Path,
        typer.Option("--out", "-o", metavar="DIR", help="Directory for metrics.json, predictions.parquet and folds/."),
    ] = Path("evaluation"),
    root: options.Roots = None,
    label_map: options.LabelMapFile = None,
    common_classes: options.CommonClasses = False,
    encoder_dir: options.EncoderDir = None,
    recipe: options.RecipeName = "best",
    encoder: options.Encoder = None,
    teacher: options.Teacher = None,
    epochs: options.Epochs = None,
    seed: options.Seed = None,
    seeds: options.Seeds = 1,
    validation: evaluation_options.Validation = None,
    profile: evaluation_options.ProfileOrFile = "auto",
    device: options.Device = "auto",
    jobs: options.Jobs = 0,
    json: options.Json = False,
) -> None:
    """Measure the accuracy of a recipe or a finished model.

    With --protocol, each fold trains a model and tests it on the recordings that it was not trained on. With
    --test-corpus, one model is trained on --corpus and tested on the other. The same command resumes an interrupted
    run. With --model, nothing is trained. The overlap of training and test data is counted and noted on the result.
    """
    if model is not None:
        _refuse(ctx, _TRAINING_OPTIONS, "has no effect with --model, which trains nothing")
    else:
        _refuse(ctx, ("encoder_dir",), "works with --model only")
    from pcqtool.evaluation.api import evaluate as evaluate_corpus

    with console.reporting() as on_progress:
        evaluation = evaluate_corpus(
            corpus,
            out,
            protocol=protocol,
            test_corpus=test_corpus,
            model=model,
            root=root,
            label_map=label_map,
            common_classes=common_classes,
            encoder_dir=encoder_dir,
            recipe=recipe,
            encoder=encoder,
            teacher=teacher,
            epochs=epochs,
            seed=seed,
            seeds=seeds,
            validation=validation,
            profile=profile,
            device=device,
            jobs=jobs,
            on_progress=on_progress,
        )
    if evaluation.metrics["leaks"]:
        console.warn(evaluation.metrics.get("warning", evaluation.metrics["leakage"]))
    if json:
        console.print_json(JsonFormat.EVALUATION, evaluation.metrics)
    else:
        _show(evaluation.metrics, out)


def _refuse(ctx: typer.Context, names: Iterable[str], why: str) -> None:
    """Refuse typed options without effect; those of the environment or the settings file may be for other runs."""
    for name in names:
        source = ctx.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            raise SettingsError(f"--{name.replace('_', '-')} {why}", "Leave it out.")


def _show(metrics: Mapping[str, Any], out: Path) -> None:
    pooled, folds, seeds = metrics["pooled"], metrics.get("folds"), metrics.get("seeds", ())
    together, by_corpus = metrics.get("ensembled_seeds"), metrics["protocol"] == _CORPUS
    console.print_fields(
        {
            "protocol": f"{metrics['protocol']}: {metrics['protocol_title']}" if folds else metrics["protocol"],
            "utterances": metrics["n_utterances"],
            "left out": _left_out(metrics),
            "seeds": ", ".join(map(str, seeds)) if len(seeds) > 1 else "",
            "over corpora": _over_corpora(metrics) if by_corpus else "",
            "WA": _percent(pooled["wa"], pooled["wa_interval"]),
            "UA": _percent(pooled["ua"], pooled["ua_interval"]),
            "macro-F1": f"{100 * pooled['macro_f1']:.1f} %",
            "ECE": f"{pooled['ece']:.3f} (before the temperature {pooled['ece_uncalibrated']:.3f})",
            "over folds": f"WA {_spread(folds['wa'])}, UA {_spread(folds['ua'])}"
            if folds and len(metrics["by_fold"]) > 1 and not by_corpus
            else "",
            "over seeds": _over_seeds(metrics) if len(seeds) > 1 else "",
            "ensemble": together
            and f"WA {100 * together['wa']:.1f} %, UA {100 * together['ua']:.1f} % ({together['what']})",
            "leakage": metrics["leakage"],
            "metrics": out / "metrics.json",
            "predictions": out / "predictions.parquet",
        }
    )
    if by_corpus:
        console.print_table(("corpus left out", "utterances", "classes", "WA", "UA", "ECE"), _corpora(metrics))
        console.print_text("")
    labels = metrics["labels"]
    rows = [
        (label, *counts, "" if pooled["recall"][label] is None else f"{100 * pooled['recall'][label]:.1f} %")
        for label, counts in zip(labels, pooled["confusion"], strict=True)
    ]
    console.print_table(("true, predicted →", *labels, "recall"), rows)


def _over_corpora(metrics: Mapping[str, Any]) -> str:
    """Return the mean over corpora, the figure of this protocol."""
    spreads = metrics["folds"]
    return f"WA {_spread(spreads['wa'])}, UA {_spread(spreads['ua'])}, ECE {spreads['ece']['mean']:.3f}"


def _corpora(metrics: Mapping[str, Any]) -> list[tuple[object, ...]]:
    """Return a row for each corpus that was left out."""
    n_seeds = len(metrics["seeds"])
    return [
        (
            name,
            scores["n"] // n_seeds,
            sum(recall is not None for recall in scores["recall"].values()),
            f"{100 * scores['wa']:.1f} %",
            f"{100 * scores['ua']:.1f} %",
            f"{scores['ece']:.3f}",
        )
        for name, scores in metrics["by_fold"].items()
    ]


def _percent(value: float, interval: tuple[float, float] | None) -> str:
    text = f"{100 * value:.1f} %"
    if interval is None:
        return text
    return f"{text} (95 % interval over speakers {100 * interval[0]:.1f} to {100 * interval[1]:.1f})"


def _spread(spread: Mapping[str, float | None]) -> str:
    sd = "–" if spread["sd"] is None else f"{100 * spread['sd']:.1f}"
    return f"{100 * (spread['mean'] or 0.0):.1f} ± {sd} %"


def _over_seeds(metrics: Mapping[str, Any]) -> str:
    spreads = metrics["over_seeds"]
    return f"WA {_spread(spreads['wa'])}, UA {_spread(spreads['ua'])}"


def _left_out(metrics: Mapping[str, Any]) -> str:
    """Describe classes that the model or the corpus lacks."""
    left_out, absent = metrics.get("left_out", {}), metrics.get("labels_not_in_corpus", ())
    parts = [f"{n} of {label}" for label, n in left_out.items()]
    reason = "no other corpus has" if metrics["protocol"] == _CORPUS else "the model cannot predict"
    text = f"{', '.join(parts)}, which {reason}" if parts else ""
    if absent:
        text += f"{'; ' if text else ''}{', '.join(absent)}, which the corpus does not have (others scaled to sum to 1)"
    return text
