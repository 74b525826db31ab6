"""The AlexNet branch of CA-MSER (Zou et al., ICASSP 2022) alone: AlexNet's convolutions on the spectrogram."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional

from pcqtool.networks import Network, NetworkConfig, NetworkOutput, Spectrogram, SpectrogramSettings, TrainingBatch
from pcqtool_rivals.front_ends import preemphasis

N_CHANNELS = 256
"""Channels of AlexNet's last feature map."""

IMAGE_SIZE = (256, 384)
"""Height (frequency) and width (time) of the image that a spectrogram becomes."""

_IMAGE_MEAN, _IMAGE_SD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, with which AlexNet is used


@dataclass(frozen=True)
class AlexNetConfig(NetworkConfig):
    """The branch with a linear classifier on the global average of its last map.

    Attributes:
        spectrogram: settings of the spectrogram, which are those of PCQ too.
        dropout: dropout rate before the classifier.
    """

    spectrogram: SpectrogramSettings = field(default_factory=SpectrogramSettings)
    dropout: float = 0.1


class AlexNet(Network[AlexNetConfig]):
    """AlexNet's convolutions, global average pooling and a linear classifier.

    Shape:
        spectrogram in dB ``(B, T, n_bins)`` → logits ``(B, L)``, embedding ``(B, 256)``
    """

    config_class = AlexNetConfig
    front_end_settings = ("spectrogram",)
    spectrograms = (0,)

    def __init__(self, config: AlexNetConfig) -> None:
        super().__init__(config)
        self.spectrogram = Spectrogram(config.spectrogram)
        self.image = SpectrogramImage(config.spectrogram)
        self.features = alexnet_features()
        self.dropout = nn.Dropout(config.dropout)
        self.classifier = nn.Linear(N_CHANNELS, len(config.labels))
        self.to(memory_format=torch.channels_last)  # faster on a CPU

    def front_end(self, waves: Tensor, n_samples: Tensor) -> tuple[Tensor, ...]:
        """Compute the spectrogram in dB after pre-emphasis, ``(B, T, n_bins)``."""
        return (self.spectrogram(preemphasis(waves)).half(),)

    def prepare(self, batches: Iterable[TrainingBatch]) -> None:
        """Measure the range of each bin in the training data."""
        self.image.measure(batch.inputs[0] for batch in batches)

    def classify(self, inputs: tuple[Tensor, ...], valid_fraction: Tensor) -> NetworkOutput:
        """Predict the labels; the padding counts like silence, as in the paper."""
        embedding = self.features(self.image(inputs[0])).mean(dim=(2, 3))
        return NetworkOutput(self.classifier(self.dropout(embedding)), embedding)


class SpectrogramImage(nn.Module):
    """Spectrograms as the images that AlexNet was made for: each bin's training range is 0 to 1, low bins below.

    Shape:
        ``(B, T, n_bins)`` in dB → ``(B, 3, 256, 384)``, three equal channels up to the normalisation of ImageNet
    """

    def __init__(self, settings: SpectrogramSettings) -> None:
        super().__init__()
        self.low = nn.Buffer(torch.full((settings.n_bins,), settings.floor_db))
        self.high = nn.Buffer(torch.zeros(settings.n_bins))
        self.mean = nn.Buffer(torch.tensor(_IMAGE_MEAN).reshape(3, 1, 1), persistent=False)
        self.sd = nn.Buffer(torch.tensor(_IMAGE_SD).reshape(3, 1, 1), persistent=False)

    def measure(self, spectrograms: Iterable[Tensor]) -> None:
        """Set each bin's range to that of the spectrograms ``(B, T, n_bins)``."""
        ends = [(each.amin(dim=(0, 1)), each.amax(dim=(0, 1))) for each in spectrograms]
        self.low.copy_(torch.stack([low for low, _ in ends]).amin(dim=0))
        self.high.copy_(torch.stack([high for _, high in ends]).amax(dim=0))

    def forward(self, spectrogram: Tensor) -> Tensor:
        """Scale, turn and resize the spectrograms."""
        grey = ((spectrogram - self.low) / (self.high - self.low).clamp_min(1e-6)).clamp(0.0, 1.0)
        upright = grey.transpose(1, 2).flip(1).unsqueeze(1)  # (B, 1, n_bins, T), the highest bin first
        resized = functional.interpolate(upright, IMAGE_SIZE, mode="bilinear", align_corners=False)
        return (resized - self.mean) / self.sd


def alexnet_features() -> nn.Sequential:
    """Build AlexNet's convolutional part in its one-column form (Krizhevsky, 2014), with random weights (Glorot's).

    Shape:
        ``(B, 3, 256, 384)`` → ``(B, 256, 7, 11)``
    """

    def convolution(c_in: int, c_out: int, kernel: int, stride: int = 1) -> list[nn.Module]:
        layer = nn.Conv2d(c_in, c_out, kernel, stride, padding=2 if kernel > 3 else 1)
        nn.init.xavier_uniform_(layer.weight)
        nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
        return [layer, nn.ReLU()]

    return nn.Sequential(
        *convolution(3, 64, 11, stride=4),
        nn.MaxPool2d(3, 2),
        *convolution(64, 192, 5),
        nn.MaxPool2d(3, 2),
        *convolution(192, 384, 3),
        *convolution(384, N_CHANNELS, 3),
        *convolution(N_CHANNELS, N_CHANNELS, 3),
        nn.MaxPool2d(3, 2),
    )
