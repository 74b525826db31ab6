"""The training runs of an evaluation: a recipe, trained and tested on corpora that a protocol divides."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pcqtool.arguments import StrPath, as_list
from pcqtool.batch.profiling import AUTO, BY_SPEAKER
from pcqtool.corpora.label_map import load_label_map
from pcqtool.corpora.pool import CorpusPool, open_pool, restrict_to_common_labels
from pcqtool.corpora.spec import parse_specs
from pcqtool.errors import SettingsError
from pcqtool.model.profile_file import OFF
from pcqtool.progress import OnProgress, Progress
from pcqtool.splits import CORPUS, cross_corpus_protocol, find_protocol, leave_corpus_out, only_parts_of

if TYPE_CHECKING:
    from pcqtool.corpora.base import Utterance
    from pcqtool.evaluation.cross_validation import EvaluationTask, FoldResult
    from pcqtool.evaluation.run_directory import Evaluation
    from pcqtool.splits import Fold, Protocol
    from pcqtool.training.experiment import Experiment
    from pcqtool.training.recipe import Recipe

_log = logging.getLogger(__name__)

Folds = Mapping[int, "Sequence[Fold]"]


@dataclass(frozen=True)
class Division:
    """Corpora, and the protocol that divides them into training and test.

    Attributes:
        protocol: the protocol.
        pool: the corpora that are trained on, and tested on unless there is ``test``.
        test: corpora that are only tested on.
        tests_one: whether only one of several corpora is tested on.
    """

    protocol: Protocol
    pool: CorpusPool
    test: CorpusPool | None = None
    tests_one: bool = False

    @property
    def trainable(self) -> list[Utterance]:
        """The utterances that an experiment reads."""
        return list(self.pool.utterances if self.test is None else self.pool.prefixed_utterances)

    @property
    def utterances(self) -> list[Utterance]:
        """The list that folds index into."""
        return self.trainable + ([] if self.test is None else self.test.prefixed_utterances)


def open_division(
    corpus: str | Sequence[str],
    root: StrPath | Sequence[str] | None,
    label_map: StrPath | None,
    common_classes: bool,
    protocol: str | None,
    test_corpus: str | None,
) -> Division:
    """Open the corpora of an evaluation that trains; the arguments are those of ``pcqtool.evaluate``.

    Raises:
        SettingsError: if an argument is not valid.
        CorpusError: if a corpus is missing or does not fit.
    """
    found = None if protocol in (None, CORPUS) else find_protocol(str(protocol))
    corpora = as_list(corpus)
    others = [test_corpus] if found is None and test_corpus is not None else []
    chosen = parse_specs([*corpora, *others], as_list(root))
    renaming = load_label_map(None if label_map is None else Path(label_map))
    pool = open_pool(chosen[: len(corpora)], renaming, common_classes)
    if found is not None:
        tests_one = test_corpus is not None
        return Division(only_parts_of(test_corpus, found, pool) if test_corpus else found, pool, tests_one=tests_one)
    if protocol == CORPUS:
        return Division(leave_corpus_out(pool), pool)
    train, test = restrict_to_common_labels(pool, open_pool(chosen[len(corpora) :], renaming))
    return Division(cross_corpus_protocol(train, test), train, test)


def check_training_arguments(protocol: str | None, test_corpus: str | None, seeds: int, profile: StrPath) -> None:
    """Check arguments of ``pcqtool.evaluate`` that trains.

    Raises:
        SettingsError: if ``protocol`` and ``test_corpus`` do not fit together, or another argument is not valid.
    """
    if protocol is None and test_corpus is None:
        raise SettingsError("--protocol or --test-corpus is needed", "For example: --protocol loso")
    if protocol == CORPUS and test_corpus is not None:
        raise SettingsError(f"--protocol {CORPUS} tests on each corpus in turn", "Leave --test-corpus out.")
    if seeds < 1:
        raise SettingsError(f"seeds must be 1 or more, not {seeds}")
    if profile not in (AUTO, OFF, BY_SPEAKER):
        raise SettingsError(f"--profile {profile}: training takes {AUTO}, {OFF} or {BY_SPEAKER}")


def log_label_changes(*pools: CorpusPool) -> None:
    """Log which labels of the corpora are renamed or left out."""
    for note in (note for pool in pools for note in pool.label_changes):
        _log.info(note)


@dataclass(frozen=True)
class TrainingRuns:
    """A recipe's training runs, one for each fold and seed.

    Attributes:
        division: the corpora and the protocol.
        recipe: the settings.
        n_seeds: number of seeds, from the recipe's; each trains every fold once.
        n_validation: speakers (texts, tenths) that validate; None for the recipe's share.
        profile: what inputs are standardised by: ``auto``, ``off`` or ``by=speaker``.
        encoder, teacher: directories or Hub ids, instead of the recipe's.
        device: as for ``choose_device``.
        n_jobs: folds, and recordings, at the same time.
    """

    division: Division
    recipe: Recipe
    n_seeds: int
    n_validation: int | None
    profile: str
    encoder: str | None
    teacher: str | None
    device: str
    n_jobs: int

    @cached_property
    def folds(self) -> Folds:
        """All folds of each seed.

        Raises:
            CorpusError, SettingsError: if the protocol cannot divide the corpora.
        """
        utterances = self.division.utterances
        if self.profile == BY_SPEAKER:
            from pcqtool.evaluation.corpus_profile import check_speakers

            check_speakers(utterances)
        validating = self.recipe.validation_size(self.n_validation)
        seeds = range(self.recipe.seed, self.recipe.seed + self.n_seeds)
        return {seed: self.division.protocol.folds(utterances, seed, validating) for seed in seeds}

    @cached_property
    def origins(self) -> tuple[str | None, str | None]:
        """Directories or Hub ids of the encoder and the teacher."""
        return self.recipe.encoder_and_teacher(self.encoder, self.teacher)

    def check(self) -> None:
        """Check that every fold can be made and the network can be trained, before anything is.

        Raises:
            PcqtoolError: as ``run``, but before a recording is read.
        """
        from pcqtool.labels import sort_labels
        from pcqtool.training.network_config import configure

        _ = self.folds
        configure(sort_labels(each.label for each in self.division.trainable), self.recipe, *self.origins)

    def run(self, out: Path, claim: Callable[[], None], on_progress: OnProgress) -> Evaluation:
        """Train and test; a run with the same settings that was interrupted resumes.

        Args:
            out: gets ``folds/``.
            claim: locks ``out``; called before the first fold.
            on_progress: is called with recordings, segments encoded and folds.

        Raises:
            PcqtoolError: as in cross-validation; finished folds are kept.
        """
        folds, division = self.folds, self.division
        log_label_changes(*filter(None, (division.pool, division.test)))
        _log.info(self._summary())
        experiment = self._experiment(on_progress)
        task = self._task(experiment, on_progress)
        evaluation = self._cross_validate(task, folds, out, claim, on_progress)
        provenance = {"corpora": division.pool.provenance()}
        if division.test is not None:
            provenance["test_corpora"] = division.test.provenance()
        return evaluation.with_corpora(**provenance)

    def _summary(self) -> str:
        """Return a line on the corpora and the folds."""
        often = f" with {self.n_seeds} seeds" if self.n_seeds > 1 else ""
        pool, test = self.division.pool, self.division.test
        if test is not None:
            return (
                f"train {pool.name}: {len(pool.utterances)} utterances; test {test.name}: {len(test.utterances)}"
                f"{often}; classes {', '.join(test.labels)}"
            )
        if self.division.protocol.name == CORPUS:
            return f"leave one of {pool.name} out: {len(pool.utterances)} utterances{often}"
        n_folds = len(self.folds[self.recipe.seed])
        return f"{pool.name}: {len(pool.utterances)} utterances, {n_folds} folds{often}"

    def _experiment(self, on_progress: OnProgress) -> Experiment:
        from pcqtool.model.device import choose_device
        from pcqtool.training.experiment import Experiment

        device, corpora = choose_device(self.device), self.division.pool.corpus_of_each
        utterances = self.division.trainable
        return Experiment(utterances, self.recipe, device, *self.origins, self.n_jobs, corpora).prepare(on_progress)

    def _task(self, experiment: Experiment, on_progress: OnProgress) -> EvaluationTask:
        from pcqtool.evaluation.cross_corpus import across_corpora, between_corpora
        from pcqtool.evaluation.cross_validation import EvaluationTask

        division = self.division
        if division.test is not None:
            return across_corpora(experiment, division.test, self.n_jobs, on_progress, self.profile)
        if division.protocol.name == CORPUS:
            return between_corpora(experiment, division.pool, self.n_jobs, on_progress, self.profile)
        return EvaluationTask.within_corpus(experiment, division.pool.name, self.profile, division.tests_one)

    def _cross_validate(
        self, task: EvaluationTask, folds: Folds, out: Path, claim: Callable[[], None], on_progress: OnProgress
    ) -> Evaluation:
        from pcqtool.evaluation.cross_validation import cross_validate
        from pcqtool.evaluation.run_directory import FOLDS
        from pcqtool.evaluation.summary import conclude

        claim()
        n_folds, n_done = sum(map(len, folds.values())), 0
        on_progress(Progress(0, n_folds, "folds"))

        def on_fold(result: FoldResult) -> None:
            nonlocal n_done
            n_done += 1
            note = f"fold {result.fold.name}: validation UA {100 * result.best['validation_ua']:.1f} %"
            on_progress(Progress(n_done, n_folds, "folds", note))

        def on_epoch(fold: Fold, number: int, note: str) -> None:
            n_epochs = self.recipe.n_distillation_epochs + self.recipe.epochs
            note = f"fold {fold.name}, epoch {number} of {n_epochs}: {note}"
            on_progress(Progress(n_done + round(number / (n_epochs + 1), 2), n_folds, "folds", note))

        n_jobs = self.n_jobs if task.experiment.device.type == "cpu" else 1
        results = cross_validate(task, folds, out / FOLDS, n_jobs, on_fold, on_epoch)
        return conclude(task, self.division.protocol, folds, results)
