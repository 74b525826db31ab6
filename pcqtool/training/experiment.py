"""An experiment: a corpus and a recipe, prepared once and trained on one fold after another."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray

from pcqtool.corpora.base import Utterance
from pcqtool.errors import CorpusError
from pcqtool.labels import sort_labels
from pcqtool.model.encoders import Encoder, MiniEncoder
from pcqtool.model.encoders.pretrained import PretrainedEncoder, load_pretrained
from pcqtool.model.network import AnyNetwork, NetworkConfig
from pcqtool.model.pcq import PCQ, PCQConfig
from pcqtool.model.registry import installed_plugins
from pcqtool.progress import OnProgress, ignore
from pcqtool.splits import Fold
from pcqtool.training.augmentation import Augmentations
from pcqtool.training.checkpoint import Checkpoint
from pcqtool.training.data import SegmentSet, TrainingSetup, group_utterances
from pcqtool.training.distillation.feature_distillation import OnEpoch, cached_distil_features, distil_features
from pcqtool.training.distillation.teacher import (
    Teacher,
    encode_with_teacher,
    fit_teacher_classifier,
    teacher_layers,
)
from pcqtool.training.feature_cache import cache_features, cache_states, states_fingerprint
from pcqtool.training.network_config import configure, front_end_key, recipe_network
from pcqtool.training.network_inputs import FrontEnds, PCQFrontEnds, log_spectrograms
from pcqtool.training.recipe import Recipe
from pcqtool.training.segments import build_segments
from pcqtool.training.temperatures import MIN_CORPORA, Temperatures, calibrate_on_corpora, calibrate_on_validation
from pcqtool.training.trainer import Epoch, best_epoch, file_probabilities, fit, predict_validation, refit


@dataclass(frozen=True)
class Trained:
    """A network trained on a fold."""

    model: AnyNetwork
    temperatures: Temperatures
    history: list[Epoch]  # of the training with a validation part
    train: Sequence[int]  # indices of the utterances that the network was trained on
    validation: NDArray[np.float64]  # (U, L), predicted by the network before refitting, which was not trained on them

    @property
    def best(self) -> Epoch:
        """The epoch that was kept."""
        return best_epoch(self.history)


class Experiment:
    """A corpus and a recipe. ``prepare`` loads the encoder and builds the data that all folds share.

    Args:
        utterances: the corpus's list.
        recipe: the settings.
        device: where to compute.
        encoder: directory or Hub id of the pre-trained encoder to build on.
        teacher: directory or Hub id of the teacher; only for a recipe that distils.
        n_jobs: number of recordings that are read in parallel.
        corpora: name of each utterance's corpus, in a pool of several; ``None`` for a single one.

    Attributes:
        labels: the classes, in the order of the logits.
        targets: ``(U,)`` class of each utterance.
        network: the class of the network.
        config: its configuration, without the statistics of the training data.
        plugins: the plugins that the network and its encoder come from.
        encoder: the loaded encoder, which training copies; ``None`` without a pre-trained one.
        data: segments of the corpus.

    Examples:
        >>> experiment = Experiment(utterances, recipe, device, "openai/whisper-base").prepare()  # doctest: +SKIP
        >>> trained = experiment.train(fold, seed=0)  # doctest: +SKIP
    """

    def __init__(
        self,
        utterances: Sequence[Utterance],
        recipe: Recipe,
        device: torch.device,
        encoder: str | None = None,
        teacher: str | None = None,
        n_jobs: int = 1,
        corpora: Sequence[str] | None = None,
    ) -> None:
        self.utterances, self.recipe, self.device = utterances, recipe.for_corpus(len(utterances)), device
        self.encoder_source, self.teacher_source = encoder, teacher if recipe.needs_teacher else None
        self.n_jobs = n_jobs
        self.corpora = corpora

    def prepare(self, on_progress: OnProgress = ignore) -> Self:
        """Load the encoder, read the corpus, draw augmented versions and encode them; return the experiment.

        Args:
            on_progress: called with recordings read, recordings augmented and segments encoded.

        Raises:
            SettingsError: if the recipe lacks a teacher or an encoder, or describes a network that does not work.
            CorpusError: if the corpus has a single class, or a recording that cannot be read.
            ModelError: if the encoder or the teacher cannot be loaded.
        """
        recipe = self.recipe
        self.labels = sort_labels(utterance.label for utterance in self.utterances)
        if len(self.labels) < 2:
            raise CorpusError(f"the corpus has only the class {', '.join(self.labels)}", "Two or more are needed.")
        self.config, self.encoder = configure(self.labels, recipe, self.encoder_source, self.teacher_source)
        self.network, self.plugins = recipe_network(recipe), installed_plugins(recipe.network)
        self.groups = group_utterances(self.utterances, self.labels, self.corpora)
        self.targets = self.groups.target
        self.data = self.with_features(self._segments(recipe.augmentations, on_progress), on_progress)
        if isinstance(self.config, PCQConfig):
            self.data = self._with_spectrograms(self.config, self.data)
        self.teacher: Teacher | None = None
        if self.teacher_source is not None:
            teacher = self._teacher_encoder(self.teacher_source)
            self.teacher = encode_with_teacher(teacher, self.data, recipe, self.config, self.device, on_progress)
        return self

    def with_features(self, data: SegmentSet, on_progress: OnProgress = ignore) -> SegmentSet:
        """Return segments with the cached outputs of the network's front end, or unchanged if they are not cached.

        PCQ's are the hidden states of a frozen encoder.
        """
        if not self.recipe.cache:
            return data
        if not isinstance(self.config, PCQConfig):
            model = self._network(self.config)
            settings = front_end_key(self.network, self.config, self.recipe.kind, self.plugins)
            return replace(data, features=cache_features(model, settings, data, self.device, on_progress))
        if self.encoder is None or not self.config.encoder.frozen:
            return data
        return replace(data, states=cache_states(self.encoder, data, self.device, on_progress, self.config.frame_pool))

    def _with_spectrograms(self, config: PCQConfig, data: SegmentSet) -> SegmentSet:
        """Return segments with PCQ's spectrograms and moments, unless training its encoder takes most of the time."""
        model = PCQ(config).to(self.device)
        if self.encoder is None or data.states is not None:
            data = replace(data, spectrograms=log_spectrograms(model, data))
        if config.profile_s and data.states is not None:
            data = replace(data, moments=PCQFrontEnds(model, data, np.arange(len(data.samples))).moments)
        return data

    def _network(self, config: NetworkConfig) -> AnyNetwork:
        """Return a network with the loaded encoder, whose other weights are random."""
        model = self.network(config)
        if self.encoder is not None:
            model.encoder = self.encoder
        return model.to(self.device).eval()

    def _segments(self, augmentations: Augmentations, on_progress: OnProgress) -> SegmentSet:
        recipe = self.recipe
        return build_segments(
            self.utterances, recipe.n_augmented, augmentations, recipe.seed, self.n_jobs, recipe.cache, on_progress
        )

    def _teacher_encoder(self, source: str) -> PretrainedEncoder:
        """Return the network's own encoder if it is the teacher's too; otherwise load the teacher's."""
        layers = teacher_layers(self.recipe)
        own = self.encoder
        if isinstance(own, PretrainedEncoder) and (source, layers) == (self.encoder_source, own.config.layers):
            return own
        return load_pretrained(source, layers, frozen=True)

    @cached_property
    def digest(self) -> str:
        """Hash of the segments' samples, of the weights of encoder and teacher, and of the versions of plugins."""
        digest = hashlib.sha256(self.data.digest.encode())
        if self.encoder is not None:
            digest.update(states_fingerprint(self.encoder, self.data).encode())
        if self.teacher is not None:
            digest.update(self.teacher.digest.encode())
        for plugin in self.plugins:
            digest.update(str(plugin).encode())
        return digest.hexdigest()

    @property
    def pretrained_names(self) -> dict[str, str | None]:
        """Names of encoder and teacher: a Hub id, or a directory's name without its path."""
        return {"encoder": _name(self.encoder_source), "teacher": _name(self.teacher_source)}

    def train(
        self,
        fold: Fold,
        seed: int,
        on_epoch: Callable[[Epoch], None] = lambda epoch: None,
        checkpoint: Checkpoint | None = None,
        on_distillation: OnEpoch = lambda number, loss: None,
        on_corpus: Callable[[int, int], None] = lambda done, total: None,
    ) -> Trained:
        """Train on a fold's training part; its validation part decides when to stop, and the temperature.

        Args:
            fold: the parts.
            seed: of weights, order and augmentation.
            on_epoch: called after every epoch.
            checkpoint: stores the state of the run.
            on_distillation: called after every epoch of feature distillation.
            on_corpus: called with the number of corpora that were left out for calibration, and their total.
        """
        setup = self._setup(fold.train, replace(self.recipe, seed=seed), on_distillation)
        model, history = fit(setup, fold.validation, on_epoch, checkpoint)
        validation = self._validation_probabilities(model, setup, fold.validation)
        temperatures = self._temperatures(model, setup, fold, best_epoch(history).number, on_corpus)
        train = self.final_training_part(fold)
        if list(train) != list(fold.train):
            model = refit(self._setup(train, setup.recipe, on_distillation), best_epoch(history).number)
        return Trained(model, temperatures, history, train, validation)

    def _validation_probabilities(
        self, model: AnyNetwork, setup: TrainingSetup, validation: Sequence[int]
    ) -> NDArray[np.float64]:
        """Return the probabilities of the validation files, with the temperature that fits them."""
        front_ends = FrontEnds.of(model, self.data, self.data.recorded_rows(validation))
        logits = predict_validation(setup, front_ends, validation)
        temperature = calibrate_on_validation(model, setup, validation).profiled
        return file_probabilities(logits, self.data, validation, self.recipe.aggregation, temperature)

    def _temperatures(
        self, model: AnyNetwork, setup: TrainingSetup, fold: Fold, n_epochs: int, on_corpus: Callable[[int, int], None]
    ) -> Temperatures:
        """Fit the temperatures, to corpora that are left out if the recipe wants it and there are enough."""
        n_corpora = len(np.unique(setup.groups.corpus[list(fold.train)]))
        if self.recipe.calibration != "corpora" or n_corpora < MIN_CORPORA:
            return calibrate_on_validation(model, setup, fold.validation)
        return calibrate_on_corpora(setup, n_epochs, lambda train: self._taught(replace(setup, train=train)), on_corpus)

    def final_training_part(self, fold: Fold) -> Sequence[int]:
        """Return the utterances that a fold's final model is trained on: with ``refit``, the validation part too.

        A test part is never trained on, even if it validates in a protocol that leaks on purpose.
        """
        if not self.recipe.refit or set(fold.validation) & set(fold.test):
            return fold.train
        return sorted([*fold.train, *fold.validation])

    def _setup(self, train: Sequence[int], recipe: Recipe, on_distillation: OnEpoch) -> TrainingSetup:
        """Return the start of a training run, with the teacher's predictions and the distilled encoder."""
        setup = TrainingSetup(
            *(self.network, self.config, self.data, self.targets, train, recipe, self.device, self.groups),
            encoder=self.encoder,
        )
        return self._taught(replace(setup, encoder=self._distilled_encoder(setup, on_distillation) or self.encoder))

    def _taught(self, setup: TrainingSetup) -> TrainingSetup:
        """Return the start of a training run with the predictions of the teacher, which learns from the same labels."""
        if self.teacher is None or self.teacher.means is None:
            return setup
        return replace(setup, teacher_log_probs=fit_teacher_classifier(self.teacher.means, setup))

    def _distilled_encoder(self, setup: TrainingSetup, on_epoch: OnEpoch) -> Encoder | None:
        if self.teacher is None or self.teacher.states is None:
            return None
        distil = cached_distil_features if self.recipe.cache else distil_features
        encoder = MiniEncoder(self.config.encoder).freeze()
        encoder.load_state_dict(distil(setup, self.teacher.states, on_epoch), strict=False)  # ``mix`` is trained later
        return encoder


def _name(source: str | None) -> str | None:
    return Path(source).resolve().name if source is not None and Path(source).is_dir() else source
