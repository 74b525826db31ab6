"""A linear classifier whose weights come from scikit-learn, kept as tensors so that a model directory has them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from pcqtool.networks import TrainingBatch

_MIN_SD = 1e-6


class TrainingData(NamedTuple):
    """Features of all training segments, on the CPU.

    Attributes:
        features: ``(S, F)``, the first output of the front end.
        targets: ``(S,)``, classes.
        weights: ``(S,)``, fraction of each segment that is not padding.
        recording: ``(S,)``, number of the recording.
    """

    features: Tensor
    targets: Tensor
    weights: Tensor
    recording: Tensor


def join(batches: Iterable[TrainingBatch]) -> TrainingData:
    """Put the training segments into one table."""
    rows = [(each.inputs[0], each.targets, each.valid_fraction, each.recording) for each in batches]
    return TrainingData(*(torch.cat(column).cpu() for column in zip(*rows, strict=True)))


class StandardisedLinear(nn.Module):
    """Standardise features, then multiply them: ``(B, F)`` → scores ``(B, L)``."""

    def __init__(self, n_features: int, n_labels: int) -> None:
        super().__init__()
        self.mean = nn.Buffer(torch.zeros(n_features))
        self.sd = nn.Buffer(torch.ones(n_features))
        self.weight = nn.Buffer(torch.zeros(n_labels, n_features))
        self.bias = nn.Buffer(torch.zeros(n_labels))

    def forward(self, features: Tensor) -> Tensor:
        """Compute the scores in float32."""
        return (features.float() - self.mean) / self.sd @ self.weight.T + self.bias

    def fit(self, estimator: Any, features: Tensor, targets: Tensor, weights: Tensor) -> None:
        """Fit a linear classifier of scikit-learn, and take its weights.

        A class without targets gets a bias so low that it is never predicted.

        Args:
            estimator: the classifier.
            features: ``(N, F)``.
            targets: ``(N,)``, classes.
            weights: ``(N,)``, how much each row counts.
        """
        x, share = features.double(), (weights / weights.sum()).double()
        mean = share @ x
        sd = (share @ (x - mean).square()).sqrt().clamp_min(_MIN_SD)
        self.mean.copy_(mean)
        self.sd.copy_(sd)
        estimator.fit(((x - mean) / sd).numpy(), targets.numpy(), weights.numpy())
        weight, bias = estimator.coef_, estimator.intercept_
        if len(estimator.classes_) == 2:  # scikit-learn stores the second class's scores only
            weight, bias = np.concatenate((-weight, weight)) / 2, np.concatenate((-bias, bias)) / 2
        self.weight.zero_()
        self.bias.fill_(-1e4)
        self.weight[estimator.classes_] = torch.from_numpy(weight).to(self.weight)
        self.bias[estimator.classes_] = torch.from_numpy(bias).to(self.bias)
