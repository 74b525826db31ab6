"""The training runs of an evaluation, and what is said while they go on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pcqtool.cli.common import console
from pcqtool.splits import cross_corpus_protocol

if TYPE_CHECKING:
    from pcqtool.corpora.base import Utterance
    from pcqtool.corpora.pool import CorpusPool
    from pcqtool.evaluation.cross_validation import EvaluationTask, FoldResult
    from pcqtool.evaluation.output import Evaluation
    from pcqtool.splits import Fold, Protocol
    from pcqtool.training.recipe import Recipe

Folds = Mapping[int, "Sequence[Fold]"]


@dataclass(frozen=True)
class EvaluationRuns:
    """How models are trained and where their results are kept.

    Attributes:
        recipe: the settings.
        seeds: one training run of each fold for each.
        n_validation: speakers (texts, tenths) that validate; ``None`` for as many as the recipe says.
        out: gets ``folds/``.
        device: as for ``choose_device``.
        encoder, teacher: directories or Hub ids.
        n_jobs: folds, and recordings, at the same time.
        adapt: to speakers, within a corpus.
        claim: keeps other runs away from ``out``; called before the first fold.
    """

    recipe: Recipe
    seeds: range
    n_validation: int | None
    out: Path
    device: str
    encoder: str | None
    teacher: str | None
    n_jobs: int
    adapt: bool = False
    claim: Callable[[], None] = lambda: None

    def within(self, pool: CorpusPool, protocol: Protocol) -> Evaluation:
        """Cross-validate: every part of the corpus, or of several, is tested on."""
        folds = self._folds(protocol, pool.utterances)

        from pcqtool.evaluation.cross_validation import EvaluationTask
        from pcqtool.model.device import choose_device
        from pcqtool.training.experiment import Experiment

        n_folds = len(folds[self.seeds[0]])
        tell_labels(pool)
        console.info(f"{pool.name}: {len(pool.utterances)} utterances, {n_folds} folds{self._often}")
        device = choose_device(self.device)
        with console.counting("segments encoded") as count:
            experiment = Experiment(
                pool.utterances, self.recipe, device, self.encoder, self.teacher, self.n_jobs, self.adapt
            ).prepare(count)
        task = EvaluationTask.within_corpus(experiment, pool.name)
        return self._run(task, protocol, folds).of_corpora(corpora=pool.describe())

    def across_corpora(self, train: CorpusPool, test: CorpusPool) -> Evaluation:
        """Train on some corpora and test on another, with the labels that they share."""
        from pcqtool.corpora.pool import share

        train, test = share(train, test)
        protocol = cross_corpus_protocol(train, test)
        folds = self._folds(protocol, [*train.qualified, *test.qualified])

        from pcqtool.evaluation.cross_corpus import across_corpora
        from pcqtool.model.device import choose_device
        from pcqtool.training.experiment import Experiment

        tell_labels(train, test)
        console.info(
            f"train {train.name}: {len(train.utterances)} utterances; test {test.name}: {len(test.utterances)}"
            f"{self._often}; classes {', '.join(test.labels)}"
        )
        device = choose_device(self.device)
        with console.counting("segments encoded") as count:
            experiment = Experiment(
                train.qualified, self.recipe, device, self.encoder, self.teacher, self.n_jobs
            ).prepare(count)
            task = across_corpora(experiment, test, self.n_jobs, count)
        evaluation = self._run(task, protocol, folds)
        return evaluation.of_corpora(corpora=train.describe(), test_corpora=test.describe())

    @property
    def _often(self) -> str:
        return f" with {len(self.seeds)} seeds" if len(self.seeds) > 1 else ""

    def _folds(self, protocol: Protocol, utterances: Sequence[Utterance]) -> Folds:
        validating = self.recipe.validation_size(self.n_validation)
        return {seed: protocol.folds(utterances, seed, validating) for seed in self.seeds}

    def _run(self, task: EvaluationTask, protocol: Protocol, folds: Folds) -> Evaluation:
        from pcqtool.evaluation.cross_validation import cross_validate
        from pcqtool.evaluation.output import FOLDS
        from pcqtool.evaluation.summary import conclude

        self.claim()
        with console.progress(sum(map(len, folds.values())), "folds") as progress:

            def tell(result: FoldResult) -> None:
                progress.advance(note=f"validation UA {100 * result.best['validation_ua']:.1f} %")

            n_jobs = self.n_jobs if task.experiment.device.type == "cpu" else 1
            results = cross_validate(task, folds, self.out / FOLDS, n_jobs, tell)
        return conclude(task, protocol, folds, results)


def tell_labels(*pools: CorpusPool) -> None:
    """Say what became of labels: which count as others, and which are left out."""
    for note in (note for pool in pools for note in pool.notes):
        console.info(note)
