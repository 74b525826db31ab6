"""A corpus made ready for training: segments and views, the teacher's view of them, and one fold after the other."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from pcqtool.corpora.base import Utterance
from pcqtool.errors import CorpusError, SettingsError
from pcqtool.labels import sort_labels
from pcqtool.metrics.calibration import fit_temperature
from pcqtool.model.encoders import Encoder, MiniEncoder
from pcqtool.model.encoders.pretrained import load_pretrained
from pcqtool.model.pcq import PCQ
from pcqtool.splits import Fold
from pcqtool.training.augmentation import Augmentations
from pcqtool.training.checkpoint import Checkpoint
from pcqtool.training.data import SegmentSet, build_segments
from pcqtool.training.distillation.imitation import imitate, keep_imitated
from pcqtool.training.distillation.teacher import Teacher, encode_with_teacher, fit_teacher_classifier, mean_frames
from pcqtool.training.feature_cache import fingerprint, keep_states
from pcqtool.training.front_ends import keep_spectra
from pcqtool.training.network_config import configure
from pcqtool.training.recipe import Recipe
from pcqtool.training.speaker_adaptation import speaker_offsets
from pcqtool.training.trainer import Epoch, best_epoch, file_probabilities, fit, judge, refit


@dataclass(frozen=True)
class Trained:
    """A model trained on a fold, with its temperature and how it came about.

    Attributes:
        model: the network.
        temperature: fitted to the validation part.
        history: a line for each epoch of the training that the validation part has watched.
        train: indices of the utterances that the network has learnt from.
        validation: ``(U, L)``, calibrated probabilities of the validation part, by a network that knows it not.
    """

    model: PCQ
    temperature: float
    history: list[Epoch]
    train: Sequence[int]
    validation: NDArray[np.float64]

    @property
    def best(self) -> Epoch:
        """The epoch that became the model."""
        return best_epoch(self.history)


class Experiment:
    """A corpus and a recipe; its folds share the views and what the teacher's encoder makes of them.

    Args:
        utterances: the corpus's list.
        recipe: the settings.
        device: where to compute.
        encoder: directory or Hub id of the pre-trained encoder to build on.
        teacher: directory or Hub id of the pre-trained encoder to learn from; only for a recipe that distils.
        n_jobs: recordings read at the same time.
        on_states: told of how many segments of how many a frozen encoder's hidden states are computed.
        adapt: take what is the same in all of a speaker's recordings out of a frozen encoder's frames, and a teacher's.

    Attributes:
        labels: the classes, in the order of the logits.
        targets: ``(U,)`` class of each utterance.
        config: the network's settings, but for what the training data decide.

    Raises:
        SettingsError: if the recipe lacks a teacher or an encoder, or describes no network that works.
        CorpusError: if the corpus has a single class, or a recording that cannot be read.
        ModelError: if the encoder or the teacher cannot be loaded.
    """

    def __init__(
        self,
        utterances: Sequence[Utterance],
        recipe: Recipe,
        device: torch.device,
        encoder: str | None = None,
        teacher: str | None = None,
        n_jobs: int = 1,
        on_states: Callable[[int, int], None] = lambda done, total: None,
        adapt: bool = False,
    ) -> None:
        self.utterances = utterances
        self.recipe = recipe
        self.device = device
        self.encoder = encoder
        self.teacher = teacher if recipe.needs_teacher else None
        self.adapt = adapt
        self.labels = sort_labels(utterance.label for utterance in utterances)
        if len(self.labels) < 2:
            raise CorpusError(f"the corpus has nothing but {', '.join(self.labels)}", "Two or more are needed.")
        self.config = configure(self.labels, recipe, encoder, teacher)
        self.targets = np.array([self.labels.index(utterance.label) for utterance in utterances])
        self.data = self._segments(recipe.augmentations, n_jobs)
        encoding = self.config.encoder
        if encoder is not None and encoding.frozen and recipe.cache:
            frozen = load_pretrained(encoder, encoding.layers, frozen=True)
            self.data = replace(self.data, states=keep_states(frozen, self.data, device, on_states))
        if encoder is None or self.data.states is not None:  # else the encoder, which is tuned, takes the time
            self.data = replace(self.data, spectra=keep_spectra(PCQ(self.config).to(device), self.data))
        self._teacher: Teacher | None = None
        if self.teacher is not None:
            heard = self.data
            if recipe.clean_teacher:
                heard = self._segments(recipe.augmentations.clean(), n_jobs)
            self._teacher = encode_with_teacher(self.teacher, heard, recipe, self.config.encoder, device, on_states)
        if adapt:
            self._adapt()

    def _segments(self, views: Augmentations, n_jobs: int) -> SegmentSet:
        recipe = self.recipe
        return build_segments(self.utterances, recipe.n_augmented, views, recipe.seed, n_jobs, keep=recipe.cache)

    def _adapt(self) -> None:
        """Take speakers' offsets off the encoder's frames and the teacher's means."""
        states = self.data.states
        if states is None:
            raise SettingsError(
                f"recipe {self.recipe.name} cannot be adapted to speakers",
                "That needs a frozen pre-trained --encoder, and cache = true.",
            )
        means = mean_frames(states, self.data, range(states.shape[1]))
        offsets = speaker_offsets(means, self.data, self.utterances).reshape(-1, states.shape[1], states.shape[3])
        self.data = replace(self.data, offsets=offsets)
        if self._teacher is not None and self._teacher.means is not None:
            taken_off = speaker_offsets(self._teacher.means, self.data, self.utterances)[self.data.utterance]
            self._teacher = replace(self._teacher, means=self._teacher.means - taken_off)

    @cached_property
    def digest(self) -> str:
        """Hash of what is heard and by what: the segments' samples, the weights of encoder and teacher."""
        digest = hashlib.sha256(self.data.digest.encode())
        if self.encoder is not None:
            digest.update(fingerprint(load_pretrained(self.encoder, self.config.encoder.layers), self.data).encode())
        if self._teacher is not None:
            digest.update(self._teacher.digest.encode())
        return digest.hexdigest()

    @property
    def origins(self) -> dict[str, str | None]:
        """Name the pre-trained encoders in use: a Hub id, or a directory's name, without where it lies."""
        return {"encoder": _name(self.encoder), "teacher": _name(self.teacher)}

    def train(
        self,
        fold: Fold,
        seed: int,
        on_epoch: Callable[[Epoch], None] = lambda epoch: None,
        checkpoint: Checkpoint | None = None,
        on_imitation: Callable[[int, float], None] = lambda number, loss: None,
    ) -> Trained:
        """Train on a fold's training part; its validation part decides when to stop, and the temperature.

        Args:
            fold: the parts.
            seed: of weights, order and views.
            on_epoch: told of every epoch.
            checkpoint: where the state of the run is kept.
            on_imitation: told of every epoch in which a small encoder imitates the teacher: number and loss.
        """
        recipe = replace(self.recipe, seed=seed)
        learnt_from = self._learnt_from(fold.train, recipe, on_imitation)
        model, history = fit(
            self.config,
            self.data,
            self.targets,
            fold.train,
            fold.validation,
            recipe,
            self.device,
            *learnt_from,
            on_epoch,
            checkpoint,
        )
        held_out = judge(model, self.data, fold.validation)
        temperature = fit_temperature(self._pooled(held_out, fold.validation), self.targets[list(fold.validation)])
        validation = file_probabilities(held_out, self.data, fold.validation, recipe.aggregation, temperature)
        trained = Trained(model, temperature, history, fold.train, validation)
        if list(self.trains_on(fold)) == list(fold.train):
            return trained
        return self._refit(trained, fold, recipe, on_imitation)

    def trains_on(self, fold: Fold) -> Sequence[int]:
        """Say which utterances a fold's model learns from in the end.

        A part that tests is never learnt from, though it may validate in a protocol that leaks on purpose.
        """
        if not self.recipe.refit or set(fold.validation) & set(fold.test):
            return fold.train
        return sorted([*fold.train, *fold.validation])

    def _refit(
        self, trained: Trained, fold: Fold, recipe: Recipe, on_imitation: Callable[[int, float], None]
    ) -> Trained:
        """Train anew on the training and validation parts together; all else stays."""
        both = self.trains_on(fold)
        learnt_from = self._learnt_from(both, recipe, on_imitation)
        n_epochs = trained.best.number
        model = refit(self.config, self.data, self.targets, both, n_epochs, recipe, self.device, *learnt_from)
        return replace(trained, model=model, train=both)

    def _learnt_from(
        self, train: Sequence[int], recipe: Recipe, on_imitation: Callable[[int, float], None]
    ) -> tuple[NDArray[np.float32] | None, Encoder | None]:
        """Give what training begins with: the teacher's judgement of all segments, and an encoder that has learnt."""
        lesson = None
        if self._teacher is not None and self._teacher.means is not None:
            lesson = fit_teacher_classifier(self._teacher.means, self.data, self.targets, train)
        return lesson, self._encoder(train, recipe, on_imitation)

    def _encoder(self, train: Sequence[int], recipe: Recipe, on_epoch: Callable[[int, float], None]) -> Encoder | None:
        config = self.config.encoder
        if self.encoder is not None:
            return load_pretrained(self.encoder, config.layers, config.frozen, config.concat_layers)
        if self._teacher is None or self._teacher.model is None:
            return None
        learn = keep_imitated if recipe.cache else imitate
        weights = learn(config, self._teacher.model, self.data, train, recipe, self.device, on_epoch)
        encoder = MiniEncoder(config).freeze()
        encoder.load_state_dict(weights, strict=False)  # a mix of layers is learnt later
        return encoder

    def probabilities(self, trained: Trained, utterances: Sequence[int]) -> NDArray[np.float64]:
        """Give calibrated probabilities ``(U, L)`` of utterances."""
        return self.judge(trained, utterances)[0]

    def judge(self, trained: Trained, utterances: Sequence[int]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Give probabilities ``(U, L)`` of utterances, calibrated and as they are without the temperature."""
        logits = judge(trained.model, self.data, utterances)
        rule = self.recipe.aggregation
        calibrated = file_probabilities(logits, self.data, utterances, rule, trained.temperature)
        return calibrated, file_probabilities(logits, self.data, utterances, rule)

    def _pooled(self, logits: list[NDArray[np.float64]], utterances: Sequence[int]) -> NDArray[np.float64]:
        """Pool segments' logits by the rule of the recipe: the temperature then fits what users get.

        Exactly so for ``mean-log`` and ``duration``; ``mean`` and ``vote`` apply it before they pool.
        """
        probabilities = file_probabilities(logits, self.data, utterances, self.recipe.aggregation)
        pooled: NDArray[np.float64] = np.log(probabilities.clip(1e-300))
        return pooled


def _name(source: str | None) -> str | None:
    return Path(source).resolve().name if source is not None and Path(source).is_dir() else source
