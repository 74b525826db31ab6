"""What is learnt from: the labels and, where there is one, a teacher."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from pcqtool.audio.segment import SEGMENT_SAMPLES
from pcqtool.model.pcq import PCQ, NetworkInputs, NetworkOutput
from pcqtool.training.data import SegmentSet
from pcqtool.training.recipe import Recipe
from pcqtool.training.specaugment import hide


class Loss(nn.Module):
    """Cross-entropy against the labels and, with a teacher, against its probabilities.

    A segment weighs as much as its audio, so that a short tail, which carries its file's label, counts little.
    """

    def __init__(
        self,
        model: PCQ,
        data: SegmentSet,
        targets: NDArray[np.int64],
        train: Sequence[int],
        recipe: Recipe,
        lesson: NDArray[np.float32] | None,
    ) -> None:
        super().__init__()
        self.data, self.targets, self.recipe, self.lesson = data, targets, recipe, lesson
        counts = np.bincount(targets[list(train)], minlength=len(model.config.labels))
        weights = len(train) / (len(counts) * counts) if recipe.class_weighting else np.ones(len(counts))
        self.class_weights = nn.Buffer(torch.tensor(weights, dtype=torch.float32))

    def forward(self, prediction: NetworkOutput, rows: NDArray[np.int64]) -> Tensor:
        """Compute the loss of a batch of segments."""
        with torch.autocast(prediction.logits.device.type, enabled=False):
            return self._loss(prediction, rows)

    def _loss(self, prediction: NetworkOutput, rows: NDArray[np.int64]) -> Tensor:
        device = prediction.logits.device
        targets = torch.from_numpy(self.targets[self.data.utterance[rows]]).to(device)
        share = torch.from_numpy(self.data.n_samples[rows] / SEGMENT_SAMPLES).float().to(device)
        share = share / share.sum()
        smoothing = self.recipe.label_smoothing
        losses = functional.cross_entropy(
            prediction.logits, targets, self.class_weights, reduction="none", label_smoothing=smoothing
        )
        if self.lesson is not None and self.recipe.distillation is not None:
            distil = self.recipe.distillation
            judged = torch.from_numpy(self.lesson[rows]).to(device) / distil.temperature
            learned = (prediction.logits / distil.temperature).log_softmax(dim=1)
            soft = functional.kl_div(learned, judged.log_softmax(dim=1), reduction="none", log_target=True).sum(dim=1)
            losses = losses + distil.kd_weight * distil.temperature**2 * soft
        return (losses * share).sum()


def mixed_loss(
    model: PCQ, loss_of: Loss, inputs: NetworkInputs, rows: NDArray[np.int64], recipe: Recipe, rng: np.random.Generator
) -> Tensor:
    """Compute the loss of a batch in float32; parts hidden, and segments mixed with others, as the recipe says.

    Under autocast the network computes in its type, the loss does not.
    """
    if recipe.specaugment is not None:
        inputs = hide(inputs, recipe.specaugment)
    if not recipe.mixup:
        plain: Tensor = loss_of(_judge(model, inputs), rows)
        return plain
    share = rng.beta(recipe.mixup, recipe.mixup)
    other = rng.permutation(len(rows))
    level = inputs.spectrogram.lerp(inputs.spectrogram[other], 1.0 - share)
    heard = (
        None if inputs.encoder_input is None else inputs.encoder_input.lerp(inputs.encoder_input[other], 1.0 - share)
    )
    longer = None if inputs.valid_fraction is None else inputs.valid_fraction.maximum(inputs.valid_fraction[other])
    prediction = _judge(model, NetworkInputs(level, heard, longer))
    mixed: Tensor = share * loss_of(prediction, rows) + (1.0 - share) * loss_of(prediction, rows[other])
    return mixed


def _judge(model: PCQ, inputs: NetworkInputs) -> NetworkOutput:
    prediction = model.classify(inputs)
    return prediction._replace(logits=prediction.logits.float(), fusion=prediction.fusion.float())
