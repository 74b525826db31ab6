"""Evaluation from Python: ``pcqtool.evaluate`` and ``pcqtool.compare``."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pcqtool.arguments import as_list, as_path, as_text, n_jobs
from pcqtool.batch.profiling import AUTO
from pcqtool.corpora.label_map import load_label_map
from pcqtool.corpora.pool import open_pool
from pcqtool.corpora.spec import parse_specs
from pcqtool.errors import SettingsError
from pcqtool.evaluation.training_runs import (
    TrainingRuns,
    check_training_arguments,
    log_label_changes,
    open_division,
)
from pcqtool.model.encoder_search import search_path
from pcqtool.progress import OnProgress, ignore
from pcqtool.splits import CORPUS

if TYPE_CHECKING:
    from pcqtool.evaluation.run_directory import Evaluation


def evaluate(
    corpus: str | Sequence[str],
    out: str | Path | None = None,
    *,
    protocol: str | None = None,
    test_corpus: str | None = None,
    model: str | Path | None = None,
    root: str | Path | Sequence[str] | None = None,
    label_map: str | Path | None = None,
    common_classes: bool = False,
    encoder_dir: Sequence[str | Path] | None = None,
    recipe: str | Path = "best",
    encoder: str | Path | None = None,
    teacher: str | Path | None = None,
    epochs: int | None = None,
    seed: int | None = None,
    seeds: int = 1,
    validation: int | None = None,
    profile: str | Path = AUTO,
    device: str = "auto",
    jobs: int = 0,
    on_progress: OnProgress = ignore,
) -> Evaluation:
    """Evaluate a recipe by cross-validation or on another corpus, or a finished model on a corpus.

    One of ``protocol``, ``test_corpus`` and ``model`` is given, or the first two of them. An interrupted evaluation
    with ``out`` resumes if it is called again with the same arguments.

    Args:
        corpus: name of a corpus, or several; ``own=emodb`` gives a corpus another name.
        out: directory for ``metrics.json``, ``predictions.parquet`` and ``folds/``; None keeps no files.
        protocol: cross-validation: ``corpus``, ``loso``, ``session``, ``sentence``, ``random10`` or ``paper``.
        test_corpus: corpus to test on; the recipe is trained on ``corpus``. With ``protocol``: the one of ``corpus``
            whose parts are tested on, with its labels; all folds train on the others.
        model: finished model to evaluate: a bundled name or a directory.
        root: directory of the corpus, or ``name=directory`` for several.
        label_map: TOML file that renames or leaves out labels.
        common_classes: of several corpora, leave out classes that only some have.
        encoder_dir: where to look for an encoder that the model refers to.
        recipe: name of a recipe in the package, or a TOML file.
        encoder: pre-trained encoder to build on, instead of the recipe's.
        teacher: pre-trained encoder that teaches, instead of the recipe's.
        epochs: passes over the corpus, instead of the recipe's.
        seed: first seed, instead of the recipe's.
        seeds: number of seeds; each trains every fold once.
        validation: number of speakers (texts, tenths) that validate in a fold, instead of the recipe's share.
        profile: what a model's inputs are standardised by: ``auto``, the test recordings without their labels;
            ``by=speaker``, also those of each speaker; a profile's file; ``off``, the training data. Models without
            profiles ignore ``auto``.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.
        jobs: parallel jobs; 0 for one per core.
        on_progress: is called with recordings read, augmented and segmented, with segments encoded, and with folds;
            with ``model``, with recordings segmented and segments predicted.

    Returns:
        Metrics, predictions, and a note on leakage: what training and test have in common.

    Raises:
        SettingsError: if an argument is not valid.
        CorpusError: if a corpus is missing or does not fit.
        ModelError: if a model or encoder cannot be loaded.

    Examples:
        >>> import pcqtool
        >>> report = pcqtool.evaluate("emodb", protocol="loso")  # doctest: +SKIP
        >>> report.metrics["pooled"]["ua"]  # doctest: +SKIP
    """
    part_of_pool = protocol not in (None, CORPUS) and test_corpus is not None
    if [protocol, test_corpus, model].count(None) != (1 if part_of_pool else 2):
        raise SettingsError(
            "exactly one of --protocol, --test-corpus and --model is needed", "For example: --protocol loso"
        )
    from pcqtool.files.lock import claim_folder

    if model is None:
        check_training_arguments(protocol, test_corpus, seeds, profile)
        division = open_division(corpus, root, label_map, common_classes, protocol, test_corpus)
    else:
        renaming = load_label_map(None if label_map is None else Path(label_map))
        pool = open_pool(parse_specs(as_list(corpus), as_list(root)), renaming, common_classes)
    jobs = n_jobs(jobs)
    with tempfile.TemporaryDirectory(prefix="pcqtool-") as temporary:
        folder = Path(temporary) if out is None else as_path(out)
        with claim_folder(folder) as claim:
            if model is not None:
                from pcqtool.evaluation.model_on_corpus import evaluate_model

                log_label_changes(pool)
                encoders = search_path(encoder_dir, download=True)
                evaluation = evaluate_model(str(model), pool, device, jobs, encoders, profile, on_progress)
                evaluation = evaluation.with_corpora(corpora=pool.provenance())
            else:
                from pcqtool.training.recipe import load_recipe

                settings = load_recipe(str(recipe), epochs=epochs, seed=seed)
                origins = as_text(encoder), as_text(teacher)
                runs = TrainingRuns(division, settings, seeds, validation, str(profile), *origins, device, jobs)
                evaluation = runs.run(folder, claim, on_progress)
            claim()
            evaluation.save(folder)
    return evaluation


def compare(first: str | Path, second: str | Path) -> dict[str, Any]:
    """Test whether one evaluation is better than another on the same utterances.

    Args:
        first: directory of an evaluation, or its ``predictions.parquet``.
        second: another one on the same utterances.

    Returns:
        WA and UA of both with the difference, its 95 % interval by bootstrap over speakers and p; McNemar's test; and
        the ``warnings`` that the figures need, such as a protocol that leaks.

    Raises:
        TableError: if predictions are missing, or the runs have different utterances, labels or speakers.

    Examples:
        >>> import pcqtool
        >>> pcqtool.compare("runs/best", "runs/mini")["ua"]["p"]  # doctest: +SKIP
    """
    from pcqtool.evaluation.compare import compare as compare_predictions
    from pcqtool.evaluation.run_conditions import RunConditions, differences
    from pcqtool.evaluation.run_directory import load_predictions

    (one, from_one), (other, from_other) = load_predictions(Path(first)), load_predictions(Path(second))
    figures = compare_predictions(one, other)
    conditions = RunConditions.of(from_one), RunConditions.of(from_other)
    warnings = [f"{run}: {each.leakage}" for run, each in zip((first, second), conditions, strict=True) if each.leaks]
    warnings += differences(conditions)
    return {**figures, "warnings": warnings}
