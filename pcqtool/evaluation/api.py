"""Evaluation from Python: ``pcqtool.evaluate`` and ``pcqtool.compare``."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pcqtool.arguments import as_list, as_path, as_text, n_jobs
from pcqtool.batch.profiling import AUTO, BY_SPEAKER
from pcqtool.corpora.label_map import load_label_map
from pcqtool.corpora.pool import open_pool, restrict_to_common_labels
from pcqtool.corpora.spec import parse_specs
from pcqtool.errors import SettingsError
from pcqtool.model.encoder_search import search_path
from pcqtool.model.profile_file import OFF
from pcqtool.progress import OnProgress, Progress, ignore
from pcqtool.splits import CORPUS, cross_corpus_protocol, find_protocol, leave_corpus_out, only_parts_of

if TYPE_CHECKING:
    from pcqtool.corpora.base import Utterance
    from pcqtool.corpora.pool import CorpusPool
    from pcqtool.evaluation.cross_validation import EvaluationTask, FoldResult
    from pcqtool.evaluation.run_directory import Evaluation
    from pcqtool.splits import Fold, Protocol
    from pcqtool.training.experiment import Experiment
    from pcqtool.training.recipe import Recipe

_log = logging.getLogger(__name__)

Folds = Mapping[int, "Sequence[Fold]"]


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
    if seeds < 1:
        raise SettingsError(f"seeds must be 1 or more, not {seeds}")
    if profile not in (AUTO, OFF, BY_SPEAKER) and model is None:
        raise SettingsError(f"--profile {profile}: training takes {AUTO}, {OFF} or {BY_SPEAKER}")
    from pcqtool.files.lock import claim_folder

    found = None if protocol in (None, CORPUS) else find_protocol(str(protocol))
    corpora = as_list(corpus)
    chosen = parse_specs([*corpora, *filter(None, [None if part_of_pool else test_corpus])], as_list(root))
    renaming = load_label_map(None if label_map is None else Path(label_map))
    jobs = n_jobs(jobs)
    pool = open_pool(chosen[: len(corpora)], renaming, common_classes)
    with tempfile.TemporaryDirectory(prefix="pcqtool-") as temporary:
        folder = Path(temporary) if out is None else as_path(out)
        with claim_folder(folder) as claim:
            if model is not None:
                from pcqtool.evaluation.model_on_corpus import evaluate_model

                _log_notes(pool)
                encoders = search_path(encoder_dir, download=True)
                evaluation = evaluate_model(str(model), pool, device, jobs, encoders, profile, on_progress)
                evaluation = evaluation.with_corpora(corpora=pool.provenance())
            else:
                from pcqtool.training.recipe import load_recipe

                settings = load_recipe(str(recipe), epochs=epochs, seed=seed)
                repeats = range(settings.seed, settings.seed + seeds)
                origins = settings.encoder_and_teacher(as_text(encoder), as_text(teacher))
                runs = _Runs(
                    settings, repeats, validation, folder, device, *origins, jobs, str(profile), claim, on_progress
                )
                if found is not None:
                    evaluation = runs.within(pool, found, test_corpus)
                elif protocol == CORPUS:
                    evaluation = runs.leaving_corpora_out(pool)
                else:
                    evaluation = runs.across_corpora(pool, open_pool(chosen[len(corpora) :], renaming))
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


@dataclass(frozen=True)
class _Runs:
    """Training runs of an evaluation.

    Attributes:
        recipe: the settings.
        seeds: each trains every fold once.
        n_validation: speakers (texts, tenths) that validate; None for the recipe's share.
        out: gets ``folds/``.
        device: as for ``choose_device``.
        encoder, teacher: directories or Hub ids.
        n_jobs: folds, and recordings, at the same time.
        profile: what inputs are standardised by: ``auto``, ``off`` or ``by=speaker``.
        claim: locks ``out``; called before the first fold.
        on_progress: is called with recordings, segments encoded and folds.
    """

    recipe: Recipe
    seeds: range
    n_validation: int | None
    out: Path
    device: str
    encoder: str | None
    teacher: str | None
    n_jobs: int
    profile: str
    claim: Callable[[], None]
    on_progress: OnProgress

    def within(self, pool: CorpusPool, protocol: Protocol, tested: str | None = None) -> Evaluation:
        """Cross-validate: every part of the corpus, of several, or of one of them, is tested on."""
        if tested is not None:
            protocol = only_parts_of(tested, protocol, pool)
        folds = self._folds(protocol, pool.utterances)

        from pcqtool.evaluation.cross_validation import EvaluationTask

        n_folds = len(folds[self.seeds[0]])
        _log_notes(pool)
        _log.info(f"{pool.name}: {len(pool.utterances)} utterances, {n_folds} folds{self._often}")
        experiment = self._experiment(pool.utterances, pool.corpus_of_each)
        task = EvaluationTask.within_corpus(experiment, pool.name, self.profile, tested is not None)
        return self._run(task, protocol, folds).with_corpora(corpora=pool.provenance())

    def leaving_corpora_out(self, pool: CorpusPool) -> Evaluation:
        """Test on each corpus a model of the others."""
        protocol = leave_corpus_out(pool)
        folds = self._folds(protocol, pool.utterances)

        from pcqtool.evaluation.cross_corpus import between_corpora

        _log_notes(pool)
        _log.info(f"leave one of {pool.name} out: {len(pool.utterances)} utterances{self._often}")
        experiment = self._experiment(pool.utterances, pool.corpus_of_each)
        task = between_corpora(experiment, pool, self.n_jobs, self.on_progress, self.profile)
        return self._run(task, protocol, folds).with_corpora(corpora=pool.provenance())

    def across_corpora(self, train: CorpusPool, test: CorpusPool) -> Evaluation:
        """Train on some corpora and test on another, with the labels that they share."""
        train, test = restrict_to_common_labels(train, test)
        protocol = cross_corpus_protocol(train, test)
        folds = self._folds(protocol, [*train.prefixed_utterances, *test.prefixed_utterances])

        from pcqtool.evaluation.cross_corpus import across_corpora

        _log_notes(train, test)
        _log.info(
            f"train {train.name}: {len(train.utterances)} utterances; test {test.name}: {len(test.utterances)}"
            f"{self._often}; classes {', '.join(test.labels)}"
        )
        experiment = self._experiment(train.prefixed_utterances, train.corpus_of_each)
        evaluation = self._run(
            across_corpora(experiment, test, self.n_jobs, self.on_progress, self.profile), protocol, folds
        )
        return evaluation.with_corpora(corpora=train.provenance(), test_corpora=test.provenance())

    def _experiment(self, utterances: Sequence[Utterance], corpora: Sequence[str]) -> Experiment:
        """Return a prepared experiment."""
        from pcqtool.model.device import choose_device
        from pcqtool.training.experiment import Experiment

        device = choose_device(self.device)
        experiment = Experiment(utterances, self.recipe, device, self.encoder, self.teacher, self.n_jobs, corpora)
        return experiment.prepare(self.on_progress)

    @property
    def _often(self) -> str:
        return f" with {len(self.seeds)} seeds" if len(self.seeds) > 1 else ""

    def _folds(self, protocol: Protocol, utterances: Sequence[Utterance]) -> Folds:
        from pcqtool.evaluation.corpus_profile import check_speakers

        if self.profile == BY_SPEAKER:
            check_speakers(utterances)
        validating = self.recipe.validation_size(self.n_validation)
        return {seed: protocol.folds(utterances, seed, validating) for seed in self.seeds}

    def _run(self, task: EvaluationTask, protocol: Protocol, folds: Folds) -> Evaluation:
        from pcqtool.evaluation.cross_validation import cross_validate
        from pcqtool.evaluation.run_directory import FOLDS
        from pcqtool.evaluation.summary import conclude

        self.claim()
        n_folds, n_done = sum(map(len, folds.values())), 0
        self.on_progress(Progress(0, n_folds, "folds"))

        def on_fold(result: FoldResult) -> None:
            nonlocal n_done
            n_done += 1
            note = f"fold {result.fold.name}: validation UA {100 * result.best['validation_ua']:.1f} %"
            self.on_progress(Progress(n_done, n_folds, "folds", note))

        def on_epoch(fold: Fold, number: int, note: str) -> None:
            n_epochs = self.recipe.n_distillation_epochs + self.recipe.epochs
            note = f"fold {fold.name}, epoch {number} of {n_epochs}: {note}"
            self.on_progress(Progress(n_done + round(number / (n_epochs + 1), 2), n_folds, "folds", note))

        n_jobs = self.n_jobs if task.experiment.device.type == "cpu" else 1
        results = cross_validate(task, folds, self.out / FOLDS, n_jobs, on_fold, on_epoch)
        return conclude(task, protocol, folds, results)


def _log_notes(*pools: CorpusPool) -> None:
    for note in (note for pool in pools for note in pool.label_changes):
        _log.info(note)
