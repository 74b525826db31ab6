"""openSMILE's functionals and linear support vector machines: the baseline of the ComParE challenges."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from pcqtool.networks import ModelError, Network, NetworkConfig, NetworkOutput, TrainingBatch
from pcqtool_rivals.front_ends import N_FUNCTIONALS, functionals
from pcqtool_rivals.linear import PairwiseLinear, balance, join


@dataclass(frozen=True)
class FunctionalsSVMConfig(NetworkConfig):
    """Which functionals, and how strongly the classifier is held back.

    Attributes:
        feature_set: ``ComParE_2016`` (Weninger et al., 2013) or ``eGeMAPSv02`` (Eyben et al., 2016).
        c: inverse strength of the penalty on squared weights, as in scikit-learn.
        min_fraction: segments of which less is recording are not trained on: functionals of very little are extreme.
    """

    feature_set: str = "ComParE_2016"
    c: float = 1e-3
    min_fraction: float = 1 / 3

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.feature_set not in N_FUNCTIONALS:
            raise ModelError(f"unknown feature_set {self.feature_set!r}", f"Known: {', '.join(N_FUNCTIONALS)}.")
        if not self.c > 0 or not 0 <= self.min_fraction <= 1:
            raise ModelError("c must be positive, and min_fraction from 0 to 1")


class FunctionalsSVM(Network[FunctionalsSVMConfig]):
    """A linear SVM for each pair of classes; the pairs that a class wins are its logit.

    Shape:
        functionals ``(B, F)`` → logits ``(B, L)``, embedding ``(B, F)``
    """

    config_class = FunctionalsSVMConfig
    front_end_settings = ("feature_set",)

    def __init__(self, config: FunctionalsSVMConfig) -> None:
        super().__init__(config)
        self.classifier = PairwiseLinear(N_FUNCTIONALS[config.feature_set], len(config.labels))

    def front_end(self, waves: Tensor, n_samples: Tensor) -> tuple[Tensor, ...]:
        """Compute the functionals of the recording in each segment, ``(B, F)``."""
        return (functionals(waves, n_samples, self.config.feature_set),)

    def prepare(self, batches: Iterable[TrainingBatch]) -> None:
        """Fit the SVMs; each class has the same weight, and within it each second."""
        from sklearn.svm import SVC

        data = join(batches)
        used = data.weights >= self.config.min_fraction
        if len(torch.unique(data.targets[used])) < len(torch.unique(data.targets)):
            used[:] = True  # some class has no longer segments
        weights = balance(data.targets[used], data.weights[used])
        estimator = SVC(kernel="linear", C=self.config.c)
        self.classifier.fit(estimator, data.features[used], data.targets[used], weights)

    def classify(self, inputs: tuple[Tensor, ...], valid_fraction: Tensor) -> NetworkOutput:
        """Predict the labels."""
        return NetworkOutput(self.classifier(inputs[0]), inputs[0])
