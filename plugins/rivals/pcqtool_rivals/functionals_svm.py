"""openSMILE's functionals and a linear support vector machine: the baseline of the ComParE challenges."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from torch import Tensor

from pcqtool.networks import ModelError, Network, NetworkConfig, NetworkOutput, TrainingBatch
from pcqtool_rivals.front_ends import N_FUNCTIONALS, functionals
from pcqtool_rivals.linear import StandardisedLinear, join


@dataclass(frozen=True)
class FunctionalsSVMConfig(NetworkConfig):
    """Which functionals, and how strongly the classifier is held back.

    Attributes:
        feature_set: ``ComParE_2016`` (Weninger et al., 2013) or ``eGeMAPSv02`` (Eyben et al., 2016).
        c: inverse strength of the penalty on squared weights, as in scikit-learn.
    """

    feature_set: str = "ComParE_2016"
    c: float = 1e-3

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.feature_set not in N_FUNCTIONALS:
            raise ModelError(f"unknown feature_set {self.feature_set!r}", f"Known: {', '.join(N_FUNCTIONALS)}.")
        if not self.c > 0:
            raise ModelError(f"c must be positive, not {self.c!r}")


class FunctionalsSVM(Network[FunctionalsSVMConfig]):
    """One linear SVM for each class against the others; their distances are the logits.

    Shape:
        functionals ``(B, F)`` → logits ``(B, L)``, embedding ``(B, F)``, the standardised functionals
    """

    config_class = FunctionalsSVMConfig

    def __init__(self, config: FunctionalsSVMConfig) -> None:
        super().__init__(config)
        self.classifier = StandardisedLinear(N_FUNCTIONALS[config.feature_set], len(config.labels))

    def front_end(self, waves: Tensor, n_samples: Tensor) -> tuple[Tensor, ...]:
        """Compute the functionals of the recording in each segment, ``(B, F)``."""
        return (functionals(waves, n_samples, self.config.feature_set),)

    def prepare(self, batches: Iterable[TrainingBatch]) -> None:
        """Fit the SVMs; each class has the same weight, and within it each second."""
        from sklearn.svm import LinearSVC

        data = join(batches)
        estimator = LinearSVC(C=self.config.c, class_weight="balanced", max_iter=20_000, random_state=0)
        self.classifier.fit(estimator, data.features, data.targets, data.weights)

    def classify(self, inputs: tuple[Tensor, ...], valid_fraction: Tensor) -> NetworkOutput:
        """Predict the labels."""
        return NetworkOutput(self.classifier(inputs[0]), inputs[0])
