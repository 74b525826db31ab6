"""The loss: cross-entropy and knowledge distillation; SpecAugment and mixup on the way to it."""

from __future__ import annotations

import numpy as np
import torch
import torchaudio
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from pcqtool.audio.segment import SEGMENT_SAMPLES
from pcqtool.model.pcq import PCQ, NetworkInputs
from pcqtool.training.data import TrainingSetup
from pcqtool.training.recipe import SpecAugment


class Loss(nn.Module):
    """Cross-entropy against the labels and, with a teacher, divergence from its probabilities.

    A segment's weight is its duration: a short last segment, which has its file's label too, counts little.
    """

    def __init__(self, setup: TrainingSetup) -> None:
        super().__init__()
        self.setup = setup
        counts = np.bincount(setup.targets[list(setup.train)], minlength=len(setup.config.labels))
        counts = counts.clip(1)  # a class of a corpus that was left out does not occur
        inverse = len(setup.train) / (len(counts) * counts) if setup.recipe.class_weighting else np.ones(len(counts))
        self.class_weights = nn.Buffer(torch.tensor(inverse, dtype=torch.float32))

    def forward(self, logits: Tensor, rows: NDArray[np.int64]) -> Tensor:
        """Compute the loss of a batch of segments in float32, from logits ``(B, L)`` in float32."""
        with torch.autocast(logits.device.type, enabled=False):
            return self._loss(logits, rows)

    def _loss(self, logits: Tensor, rows: NDArray[np.int64]) -> Tensor:
        setup = self.setup
        targets = torch.from_numpy(setup.targets[setup.data.utterance[rows]]).to(logits.device)
        duration = torch.from_numpy(setup.data.n_samples[rows] / SEGMENT_SAMPLES).float().to(logits.device)
        smoothing = setup.recipe.label_smoothing
        losses = functional.cross_entropy(
            logits, targets, self.class_weights, reduction="none", label_smoothing=smoothing
        )  # (B,)
        distillation = setup.recipe.distillation
        if setup.teacher_log_probs is not None and distillation is not None:
            temperature = distillation.temperature
            teacher = (torch.from_numpy(setup.teacher_log_probs[rows]).to(logits.device) / temperature).log_softmax(1)
            student = (logits / temperature).log_softmax(1)
            divergence = functional.kl_div(student, teacher, reduction="none", log_target=True).sum(dim=1)
            losses = losses + distillation.kd_weight * temperature**2 * divergence
        return (losses * (duration / duration.sum())).sum()


def regularised_loss(
    model: PCQ, loss: Loss, inputs: NetworkInputs, rows: NDArray[np.int64], rng: np.random.Generator
) -> Tensor:
    """Compute the loss of a batch with SpecAugment and mixup, as the recipe sets them.

    Mixup mixes the inputs of pairs of segments and their losses after the front ends (Zhang et al., 2018).
    """
    recipe = loss.setup.recipe
    if recipe.specaugment is not None:
        inputs = mask(inputs, recipe.specaugment)
    if not recipe.mixup:
        plain: Tensor = loss(model.classify(inputs).logits.float(), rows)
        return plain
    weight = rng.beta(recipe.mixup, recipe.mixup)
    other = rng.permutation(len(rows))
    spectrogram, encoder_input, fraction, statistics = inputs
    mixed_inputs = NetworkInputs(
        spectrogram.lerp(spectrogram[other], 1.0 - weight),
        None if encoder_input is None else encoder_input.lerp(encoder_input[other], 1.0 - weight),
        None if fraction is None else fraction.maximum(fraction[other]),
        statistics,
    )
    logits = model.classify(mixed_inputs).logits.float()
    mixed: Tensor = weight * loss(logits, rows) + (1.0 - weight) * loss(logits, rows[other])
    return mixed


def mask(inputs: NetworkInputs, settings: SpecAugment) -> NetworkInputs:
    """Apply SpecAugment to the spectrogram and, independently, to the log-mel frames of an encoder that reads them.

    Waves and the hidden states of a frozen encoder are not masked.
    """
    spectrogram = _mask(inputs.spectrogram.transpose(2, 3), settings).transpose(2, 3)
    encoder_input = inputs.encoder_input
    if encoder_input is not None and encoder_input.ndim == 3:  # (B, bands, T)
        encoder_input = _mask(encoder_input.unsqueeze(1), settings).squeeze(1)
    return inputs._replace(spectrogram=spectrogram, encoder_input=encoder_input)


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
