"""The plainest use of a pre-trained encoder: mean frames and multinomial logistic regression."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from pcqtool.networks import (
    EncoderConfig,
    ModelError,
    Network,
    NetworkConfig,
    NetworkOutput,
    TrainingBatch,
    build_encoder,
    valid_steps,
)
from pcqtool_rivals.front_ends import encoder_frames, encoder_input
from pcqtool_rivals.linear import StandardisedLinear, balance, join


@dataclass(frozen=True)
class EncoderMeansConfig(NetworkConfig):
    """Which frames are averaged, and how strongly the classifier is held back.

    Attributes:
        encoder: a frozen encoder; its hidden states are put side by side.
        c: inverse strength of the penalty on squared weights, as in scikit-learn.
    """

    encoder: EncoderConfig = field(
        default_factory=lambda: EncoderConfig("whisper", layers=(2, 3), frozen=True, concat_layers=True)
    )
    c: float = 0.03

    def __post_init__(self) -> None:
        super().__post_init__()
        encoder = self.encoder
        if encoder.kind == "none" or not encoder.frozen or (len(encoder.layers) > 1 and not encoder.concat_layers):
            raise ModelError("encoder-means needs a frozen encoder, and concat_layers for several hidden states")
        if not self.c > 0:
            raise ModelError(f"c must be positive, not {self.c!r}")


class EncoderMeans(Network[EncoderMeansConfig]):
    """Logistic regression on the standardised mean frames of a segment.

    The logits are linear in the means. So their average over a recording's segments, weighted by duration (the
    aggregation ``duration``), is what the classifier computes from the mean over the whole recording.

    Shape:
        mean frames ``(B, D)`` → logits ``(B, L)``, embedding ``(B, D)``
    """

    config_class = EncoderMeansConfig
    front_end_settings = ("encoder",)

    def __init__(self, config: EncoderMeansConfig) -> None:
        super().__init__(config)
        self.encoder = build_encoder(config.encoder)
        width = self.encoder.width if self.encoder is not None else 0
        self.classifier = StandardisedLinear(width, len(config.labels))

    def front_end(self, waves: Tensor, n_samples: Tensor) -> tuple[Tensor, ...]:
        """Compute the mean frame of the recording in each segment, without its padding."""
        frames = encoder_frames(self.encoder, encoder_input(self.encoder, waves))  # (B, T, D)
        valid = valid_steps(n_samples / waves.shape[1], frames.shape[1]).to(frames.dtype)
        return (torch.einsum("btd,bt->bd", frames, valid / valid.sum(dim=1, keepdim=True)),)

    def prepare(self, batches: Iterable[TrainingBatch]) -> None:
        """Fit the logistic regression to the means over whole recordings; each class has the same weight."""
        from sklearn.linear_model import LogisticRegression

        data = join(batches)
        numbers, recording = torch.unique(data.recording, return_inverse=True)
        seconds, targets = torch.zeros(len(numbers)), torch.zeros(len(numbers), dtype=torch.int64)
        sums = torch.zeros(len(numbers), data.features.shape[1])
        seconds.index_add_(0, recording, data.weights)
        sums.index_add_(0, recording, data.features * data.weights.unsqueeze(1))
        targets[recording] = data.targets
        estimator = LogisticRegression(C=self.config.c, max_iter=5000)
        weights = balance(targets, torch.ones(len(targets)))
        self.classifier.fit(estimator, sums / seconds.unsqueeze(1), targets, weights)

    def classify(self, inputs: tuple[Tensor, ...], valid_fraction: Tensor) -> NetworkOutput:
        """Predict the labels."""
        return NetworkOutput(self.classifier(inputs[0]), inputs[0])
