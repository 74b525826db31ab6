r"""How a recipe carries over to a corpus that was left out, with its queries and without them.

    python -m benchmarks.carry_over --corpus emodb --corpus ravdess --corpus urdu --root emodb=emodb \
        --root ravdess=ravdess --root urdu=urdu --encoder whisper-base --seeds 3 --out carry_over.jsonl

Each corpus is left out in turn. A network learns from the others with all their classes, and predicts the corpus that
was left out three times: with the profile of the corpus, with the training data's own, and with profiles of its
speakers. Only the classes that all corpora have are predicted and counted. A run that was interrupted goes on.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pcqtool.arguments import n_jobs
from pcqtool.corpora.label_map import load_label_map
from pcqtool.corpora.pool import CorpusPool, open_pool
from pcqtool.corpora.spec import parse_specs
from pcqtool.evaluation.cross_corpus import between_corpora
from pcqtool.evaluation.cross_validation import EvaluationTask
from pcqtool.metrics.scores import calibration_error
from pcqtool.splits import Fold, leave_corpus_out
from pcqtool.training.experiment import Experiment
from pcqtool.training.recipe import Recipe, load_recipe

PROFILES = ("auto", "off", "by=speaker")
_QUERIES = {"with queries": True, "without queries": False}


def common_labels(pool: CorpusPool) -> list[str]:
    """Return the labels that all corpora have."""
    return [label for label in pool.labels if all(label in member.labels for member in pool.members)]


def predict(task: EvaluationTask, fold: Fold, seed: int, labels: Sequence[str]) -> dict[str, Any]:
    """Train on the other corpora; return the scores on the one that was left out, for each profile."""
    trained = task.experiment.train(fold, seed)
    columns = [task.experiment.labels.index(label) for label in labels]
    test = [index for index in fold.test if task.utterances[index].label in labels]
    truth = np.array([labels.index(task.utterances[index].label) for index in test])
    scores: dict[str, Any] = {"left out": fold.name, "seed": seed, "best epoch": trained.best.number}
    for profile in PROFILES:
        calibrated, _ = replace(task, profile=profile).predict(trained, test)
        probabilities = calibrated[:, columns]  # sum to 1, as these are the labels of the test part
        predicted = probabilities.argmax(axis=1)
        recalls = [(predicted[truth == label] == label).mean() for label in range(len(labels))]
        scores[profile] = {
            "ua": round(100 * float(np.mean(recalls)), 2),
            "ece": round(calibration_error(probabilities.max(axis=1), predicted == truth), 4),
        }
    return scores


def read(path: Path) -> list[dict[str, Any]]:
    """Read the finished runs; none if there is no file yet."""
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []


def table(runs: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yield rows of Markdown: the mean over seeds of each corpus, and the mean over corpora."""
    runs = list(runs)
    corpora = list(dict.fromkeys(run["left out"] for run in runs))
    yield f"| | profile | {' | '.join(corpora)} | mean UA | mean ECE |"
    yield "| --- " * (len(corpora) + 4) + "|"
    for form in dict.fromkeys(run["form"] for run in runs):
        for profile in PROFILES:
            found = {c: [run[profile] for run in runs if (run["form"], run["left out"]) == (form, c)] for c in corpora}
            ua, ece = ([float(np.mean([each[key] for each in found[c]])) for c in corpora] for key in ("ua", "ece"))
            cells = " | ".join(f"{value:.1f}" for value in ua)
            yield f"| {form} | {profile} | {cells} | {np.mean(ua):.1f} | {np.mean(ece):.3f} |"


def worth_of_queries(runs: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield for each profile the mean of UA with queries minus UA without, paired by corpus and seed."""
    for profile in PROFILES:
        by_key = {(run["form"], run["left out"], run["seed"]): run[profile]["ua"] for run in runs}
        with_queries = {key[1:]: ua for key, ua in by_key.items() if key[0] == "with queries"}
        pairs = [(ua, by_key.get(("without queries", *key))) for key, ua in with_queries.items()]
        found = [ua - other for ua, other in pairs if other is not None]
        if len(found) > 1:
            error = np.std(found, ddof=1) / len(found) ** 0.5
            yield (
                f"queries, {profile}: {np.mean(found):+.1f} points, standard error {error:.1f} over {len(found)} pairs"
            )


def _experiment(options: argparse.Namespace, pool: CorpusPool, recipe: Recipe, csq: bool) -> Experiment:
    settings = replace(recipe, network={**recipe.network, "csq": csq})
    origins = settings.encoder_and_teacher(options.encoder, options.teacher)
    experiment = Experiment(
        pool.utterances, settings, torch.device("cpu"), *origins, n_jobs(0), corpora=pool.corpus_of_each
    )
    return experiment.prepare()


def main() -> None:
    """Train what is missing, then print the table and what the queries are worth."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpus", action="append", required=True)
    parser.add_argument("--root", action="append", default=[])
    parser.add_argument("--map", type=Path)
    parser.add_argument("--recipe", default="best")
    parser.add_argument("--encoder")
    parser.add_argument("--teacher")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--calibration", choices=("validation", "corpora"), help="instead of the recipe's")
    parser.add_argument("--form", choices=tuple(_QUERIES), action="append", help="default: both")
    parser.add_argument("--out", type=Path, default=Path("carry_over.jsonl"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    recipe = load_recipe(options.recipe)
    recipe = replace(recipe, calibration=options.calibration or recipe.calibration)
    pool = open_pool(parse_specs(options.corpus, options.root), load_label_map(options.map))
    for form in options.form or _QUERIES:
        done = {(run["form"], run["left out"], run["seed"]) for run in read(options.out)}
        todo = [
            (fold, seed)
            for seed in range(options.seeds)
            for fold in leave_corpus_out(pool).folds(pool.utterances, seed, recipe.validation_size())
            if (form, fold.name, seed) not in done
        ]
        if not todo:
            continue
        task = between_corpora(_experiment(options, pool, recipe, _QUERIES[form]), pool)
        for fold, seed in todo:
            scores = {"form": form, **predict(task, fold, seed, common_labels(pool))}
            with options.out.open("a", encoding="utf-8") as file:
                file.write(json.dumps(scores) + "\n")
    runs = read(options.out)
    print("\n".join(table(runs)))
    print("\n".join(worth_of_queries(runs)))


if __name__ == "__main__":
    main()
