"""Linear classifiers whose weights come from scikit-learn, kept as tensors so that a model directory has them."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from pcqtool.networks import TrainingBatch

_MIN_SD = 1e-6
_NEVER = 1e4  # difference of the scores of a class that has training data and one that has none


class TrainingData(NamedTuple):
    """Features of training segments, on the CPU.

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


def balance(targets: Tensor, weights: Tensor) -> Tensor:
    """Scale the weights ``(N,)`` of rows so that each class has the same sum, and all together N."""
    totals = torch.zeros(int(targets.max()) + 1).index_add(0, targets, weights)
    return weights * len(weights) / ((totals > 0).sum() * totals[targets])


class StandardisedLinear(nn.Module):
    """Standardise features, then multiply them: ``(B, F)`` → scores ``(B, n_scores)``."""

    def __init__(self, n_features: int, n_scores: int) -> None:
        super().__init__()
        self.mean = nn.Buffer(torch.zeros(n_features))
        self.sd = nn.Buffer(torch.ones(n_features))
        self.weight = nn.Buffer(torch.zeros(n_scores, n_features))
        self.bias = nn.Buffer(torch.zeros(n_scores))

    def forward(self, features: Tensor) -> Tensor:
        """Compute the scores in float32."""
        return (features.float() - self.mean) / self.sd @ self.weight.T + self.bias

    def fit(self, estimator: Any, features: Tensor, targets: Tensor, weights: Tensor) -> None:
        """Fit a linear classifier of scikit-learn, and take its weights.

        Args:
            estimator: the classifier.
            features: ``(N, F)``.
            targets: ``(N,)``, classes.
            weights: ``(N,)``, how much each row counts.
        """
        x, share = features.double(), (weights / weights.sum()).double()
        mean = share @ x
        sd = (share @ (x - mean).square()).sqrt().clamp_min(_MIN_SD)
        estimator.fit(((x - mean) / sd).numpy(), targets.numpy(), weights.numpy())
        self.mean.copy_(mean)
        self.sd.copy_(sd)
        weight, bias = (torch.tensor(each).to(self.weight) for each in (estimator.coef_, estimator.intercept_))
        self._take(estimator.classes_.tolist(), weight, bias)

    def _take(self, classes: list[int], weight: Tensor, bias: Tensor) -> None:
        """Take the weights of an estimator with a score for each of ``classes``, or one for the second of two."""
        if len(classes) == 2:
            weight, bias = torch.cat((-weight, weight)) / 2, torch.cat((-bias, bias)) / 2
        self.weight.zero_()
        self.bias.fill_(-_NEVER)
        self.weight[classes], self.bias[classes] = weight, bias


class PairwiseLinear(StandardisedLinear):
    """A linear classifier for each pair of classes; a class's score is the number of pairs that it wins.

    Less than half a vote is added for the margins of its pairs, as scikit-learn does, so that few scores are equal.

    Shape:
        features ``(B, F)`` → scores ``(B, L)``
    """

    def __init__(self, n_features: int, n_labels: int) -> None:
        self.pairs = list(combinations(range(n_labels), 2))
        super().__init__(n_features, len(self.pairs))
        sides = torch.zeros(len(self.pairs), n_labels)
        for row, (first, second) in zip(sides, self.pairs, strict=True):
            row[first], row[second] = 1.0, -1.0
        self.sides = nn.Buffer(sides, persistent=False)

    def forward(self, features: Tensor) -> Tensor:
        """Compute the scores in float32."""
        margins = super().forward(features)  # (B, pairs), positive for the first class of each
        votes = (margins.sign() @ self.sides + self.sides.shape[1] - 1) / 2
        confidence = margins @ self.sides
        return votes + confidence / (3 * (confidence.abs() + 1))

    def _take(self, classes: list[int], weight: Tensor, bias: Tensor) -> None:
        """Take the weights of an estimator with a score for each pair of ``classes``."""
        sign = -1 if len(classes) == 2 else 1  # of two classes, scikit-learn scores the second
        found = {pair: number for number, pair in enumerate(combinations(classes, 2))}
        self.weight.zero_()
        for row, pair in enumerate(self.pairs):
            if pair in found:
                self.weight[row], self.bias[row] = sign * weight[found[pair]], sign * bias[found[pair]]
            else:  # a class without training data wins against none that has some
                self.bias[row] = _NEVER * ((pair[0] in classes) - (pair[1] in classes))
