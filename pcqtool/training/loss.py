"""The loss: cross-entropy and knowledge distillation; SpecAugment and mixup on the way to it."""

from __future__ import annotations

import numpy as np
import torch
import torchaudio
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from pcqtool.audio.segment import SEGMENT_SAMPLES
from pcqtool.model.network import AnyNetwork, NetworkInputs
from pcqtool.training.data import TrainingSetup
from pcqtool.training.recipe import SpecAugment

ABSENT = -1e4
"""Logit of a class that the corpus of an utterance does not have."""


class Loss(nn.Module):
    """Cross-entropy against the labels and, with a teacher, divergence from its probabilities.

    A class that the corpus of an utterance does not have is left out of its softmax: its recordings say nothing on the
    class. A segment's weight is its duration: a short last segment, which has its file's label too, counts little.
    """

    def __init__(self, setup: TrainingSetup) -> None:
        super().__init__()
        self.setup = setup
        self.allowed = nn.Buffer(torch.from_numpy(setup.allowed_classes))  # (n corpora, L)
        self.class_weights = nn.Buffer(torch.from_numpy(_class_weights(setup)).float())  # (n corpora, L)

    def forward(self, logits: Tensor, rows: NDArray[np.int64]) -> Tensor:
        """Compute the loss of a batch of segments in float32, from logits ``(B, L)`` in float32."""
        with torch.autocast(logits.device.type, enabled=False):
            return self._loss(logits, rows)

    def _loss(self, logits: Tensor, rows: NDArray[np.int64]) -> Tensor:
        setup, device = self.setup, logits.device
        utterances = setup.data.utterance[rows]
        targets, corpus = (
            torch.from_numpy(each[utterances]).to(device) for each in (setup.targets, setup.groups.corpus)
        )
        duration = torch.from_numpy(setup.data.n_samples[rows] / SEGMENT_SAMPLES).float().to(device)
        allowed, weights = self.allowed[corpus], self.class_weights[corpus]
        logits = logits.masked_fill(~allowed, ABSENT)
        smoothing = setup.recipe.label_smoothing
        wanted = smoothing * allowed / allowed.sum(dim=1, keepdim=True)
        wanted = wanted + (1.0 - smoothing) * functional.one_hot(targets, logits.shape[1])
        losses = -(weights * wanted * logits.log_softmax(dim=1)).sum(dim=1)  # (B,)
        distillation = setup.recipe.distillation
        if setup.teacher_log_probs is not None and distillation is not None:
            temperature = distillation.temperature
            teacher = torch.from_numpy(setup.teacher_log_probs[rows]).to(device).masked_fill(~allowed, ABSENT)
            expected = (teacher / temperature).log_softmax(dim=1)
            student = (logits / temperature).log_softmax(dim=1)
            divergence = functional.kl_div(student, expected, reduction="none", log_target=True).sum(dim=1)
            losses = losses + distillation.kd_weight * temperature**2 * divergence
        return (losses * (duration / duration.sum())).sum()


def balanced_weights(setup: TrainingSetup) -> NDArray[np.float64]:
    """Return the weights of the training utterances, which sum to 1: equal for each corpus, and for its classes."""
    train = np.asarray(setup.train)
    corpus = setup.groups.corpus[train]
    weights = _class_weights(setup)[corpus, setup.targets[train]] / np.bincount(corpus)[corpus]
    return np.asarray(weights / weights.sum())


def _class_weights(setup: TrainingSetup) -> NDArray[np.float64]:
    """Return weights by the inverse frequency of the classes within each corpus, ``(n corpora, L)``, 1 on average."""
    weights = np.zeros(setup.allowed_classes.shape)
    train = np.asarray(setup.train)
    for corpus, allowed in enumerate(setup.allowed_classes):
        counts = np.bincount(setup.targets[train[setup.groups.corpus[train] == corpus]], minlength=len(allowed))
        inverse = counts.sum() / (max(allowed.sum(), 1) * counts.clip(1))
        weights[corpus] = np.where(allowed, inverse if setup.recipe.class_weighting else 1.0, 0.0)
    return weights


def regularised_loss(
    model: AnyNetwork, loss: Loss, inputs: NetworkInputs, rows: NDArray[np.int64], rng: np.random.Generator
) -> Tensor:
    """Compute the loss of a batch with SpecAugment and mixup, as the recipe sets them.

    Mixup mixes the inputs of pairs of segments and their losses after the front ends (Zhang et al., 2018).
    """
    recipe = loss.setup.recipe
    if recipe.specaugment is not None:
        inputs = mask(model, inputs, recipe.specaugment)
    if not recipe.mixup:
        plain: Tensor = loss(model.predict(inputs).logits.float(), rows)
        return plain
    weight = rng.beta(recipe.mixup, recipe.mixup)
    other = rng.permutation(len(rows))
    features, fraction, statistics = inputs
    mixed_inputs = NetworkInputs(
        tuple(each.lerp(each[other], 1.0 - weight) for each in features),
        None if fraction is None else fraction.maximum(fraction[other]),
        None if statistics is None else statistics.mixed(other, 1.0 - weight),
    )
    logits = model.predict(mixed_inputs).logits.float()
    mixed: Tensor = weight * loss(logits, rows) + (1.0 - weight) * loss(logits, rows[other])
    return mixed


def mask(model: AnyNetwork, inputs: NetworkInputs, settings: SpecAugment) -> NetworkInputs:
    """Apply SpecAugment to the features that are spectrograms."""
    return inputs._replace(features=model.mask(inputs.features, lambda spectrogram: _mask(spectrogram, settings)))


def _mask(spectrogram: Tensor, settings: SpecAugment) -> Tensor:
    """Fill the masks of ``(B, 1, bands, T)`` with the batch's mean."""
    mean = float(spectrogram.mean())
    widest = max(1, round(settings.time_mask * spectrogram.shape[3]))
    highest = max(1, round(settings.frequency_mask * spectrogram.shape[2]))
    for _ in range(settings.n_time_masks):
        spectrogram = torchaudio.transforms.TimeMasking(widest, iid_masks=True)(spectrogram, mean)
    for _ in range(settings.n_frequency_masks):
        spectrogram = torchaudio.transforms.FrequencyMasking(highest, iid_masks=True)(spectrogram, mean)
    return spectrogram
