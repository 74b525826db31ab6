"""A corpus made ready for training: segments and views, the teacher's view of them, and one fold after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pcqtool.audio.segment import SEGMENT_SAMPLES
from pcqtool.corpora.base import Utterance
from pcqtool.errors import CorpusError, ModelError, SettingsError
from pcqtool.labels import in_order
from pcqtool.model.directory import ModelConfig, network
from pcqtool.model.encoders.pretrained import load_pretrained
from pcqtool.model.pcq import PCQ, PCQConfig
from pcqtool.training.calibration import fit_temperature
from pcqtool.training.data import SegmentSet, build_segments
from pcqtool.training.fit import Epoch, file_probabilities, fit, judge
from pcqtool.training.recipe import Recipe
from pcqtool.training.splits import Fold
from pcqtool.training.teacher import mean_frames, teach


@dataclass(frozen=True)
class Trained:
    """A model trained on a fold, with its temperature and how it came about."""

    model: PCQ
    temperature: float
    history: list[Epoch]


class Experiment:
    """A corpus and a recipe; its folds share the views and what the teacher's encoder makes of them.

    Args:
        utterances: the corpus's list.
        recipe: the settings.
        device: where to compute.
        encoder: directory or Hub id of the pre-trained encoder to build on.
        teacher: directory or Hub id of the pre-trained encoder to learn from; only for a recipe that distils.
        n_jobs: recordings read at the same time.

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
    ) -> None:
        if recipe.distil is not None and teacher is None:
            raise SettingsError(
                f"recipe {recipe.name} learns from a teacher",
                "Name a pre-trained encoder's directory with --teacher, or another --recipe.",
            )
        self.utterances = utterances
        self.recipe = recipe
        self.device = device
        self.encoder = encoder
        self.teacher = teacher if recipe.distil is not None else None
        self.labels = in_order(utterance.label for utterance in utterances)
        if len(self.labels) < 2:
            raise CorpusError(f"the corpus has nothing but {', '.join(self.labels)}", "Two or more are needed.")
        self.config = _network(self.labels, recipe, encoder)
        self.targets = np.array([self.labels.index(utterance.label) for utterance in utterances])
        self.data: SegmentSet = build_segments(utterances, recipe.n_views, recipe.views, recipe.seed, n_jobs)
        self._means: NDArray[np.float32] | None = None
        if recipe.distil is not None and teacher is not None:
            self._means = mean_frames(teacher, self.data, recipe.distil.layers, device)

    @property
    def origins(self) -> dict[str, str | None]:
        """Name the pre-trained encoders in use: a Hub id, or a directory's name, without where it lies."""
        return {"encoder": _name(self.encoder), "teacher": _name(self.teacher)}

    def train(self, fold: Fold, seed: int, on_epoch: Callable[[Epoch], None] = lambda epoch: None) -> Trained:
        """Train on a fold's training part; its validation part decides when to stop, and the temperature."""
        lesson = None
        if self._means is not None and self.recipe.distil is not None:
            lesson = teach(self._means, self.data, self.targets, fold.train, self.recipe.distil)
        recipe = replace(self.recipe, seed=seed)
        model, history = fit(
            self.config,
            self.data,
            self.targets,
            fold.train,
            fold.validation,
            recipe,
            self.device,
            lesson,
            self.encoder,
            on_epoch,
        )
        held_out = judge(model, self.data, fold.validation)
        temperature = fit_temperature(self._pooled(held_out, fold.validation), self.targets[list(fold.validation)])
        return Trained(model, temperature, history)

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


def _network(labels: tuple[str, ...], recipe: Recipe, encoder: str | None) -> PCQConfig:
    """Make the network's settings from the recipe's, with a pre-trained encoder's where one is named."""
    entries: dict[str, Any] = dict(recipe.network)
    if encoder is not None:
        settings = dict(entries.get("encoder", {}))
        found = load_pretrained(encoder, tuple(settings.get("layers", (-1,))), bool(settings.get("frozen", False)))
        entries["encoder"] = vars(found.config)
    try:
        config = network(ModelConfig(recipe.name, labels, entries))
        if encoder is None and config.encoder.kind not in ("none", "mini"):
            raise SettingsError(
                f"recipe {recipe.name} builds on a pre-trained encoder", "Name its directory or Hub id with --encoder."
            )
        with torch.inference_mode():
            PCQ(config).eval()(torch.zeros(1, SEGMENT_SAMPLES))
    except ModelError as error:
        raise SettingsError(f"recipe {recipe.name}: {error.what}", error.hint) from error
    except (TypeError, ValueError, RuntimeError) as error:
        raise SettingsError(f"recipe {recipe.name} describes no network that works: {error}") from error
    return config
