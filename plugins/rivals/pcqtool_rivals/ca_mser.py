"""CA-MSER (Zou, Si, Chen, Rajan and Chng, ICASSP 2022): spectrogram, MFCC and an encoder, joined by co-attention."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional

from pcqtool.networks import (
    SEGMENT_SAMPLES,
    EncoderConfig,
    ModelError,
    Network,
    NetworkConfig,
    NetworkOutput,
    Spectrogram,
    SpectrogramSettings,
    TrainingBatch,
    build_encoder,
)
from pcqtool_rivals.alexnet import N_CHANNELS, SpectrogramImage, alexnet_features
from pcqtool_rivals.front_ends import MFCCSettings, encoder_frames, encoder_input, mfcc, preemphasis

POOLED = 6
"""AlexNet's last map is averaged to this many rows and columns."""


@dataclass(frozen=True)
class CAMSERConfig(NetworkConfig):
    """The paper's network, except that its encoder, wav2vec 2.0 base, has to be set.

    Attributes:
        encoder: the speech encoder, of whose hidden states one is used, or several mixed or concatenated.
        n_frames: frames of the encoder for a segment: 149 with wav2vec 2.0, HuBERT and WavLM, 150 with Whisper.
        spectrogram: settings of the spectrogram, which are those of PCQ too.
        n_mfcc: coefficients of a frame; there is one every 10 ms.
        lstm_width: hidden units of each direction of the LSTM.
        lstm_dropout: dropout rate between its two layers.
        width: features of each branch before they are joined.
        dropout: dropout rate before the other linear layers.
    """

    encoder: EncoderConfig = field(default_factory=lambda: EncoderConfig("wav2vec2"))
    n_frames: int = 149
    spectrogram: SpectrogramSettings = field(default_factory=SpectrogramSettings)
    n_mfcc: int = 40
    lstm_width: int = 256
    lstm_dropout: float = 0.5
    width: int = 128
    dropout: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.encoder.kind == "none":
            raise ModelError("CA-MSER needs an encoder", "Set kind in [network.encoder].")


class CAMSER(Network[CAMSERConfig]):
    """Two acoustic branches, whose features weight the encoder's frames; a classifier gets all three.

    Shape:
        spectrogram ``(B, T, n_bins)``, MFCC ``(B, n_mfcc, T)`` and the encoder's input, or the hidden states
        ``(B, S, n_frames, D)`` of a frozen one → logits ``(B, L)``, embedding ``(B, width)``
    """

    config_class = CAMSERConfig
    front_end_settings = ("encoder", "spectrogram", "n_mfcc")
    spectrograms = (0,)

    def __init__(self, config: CAMSERConfig) -> None:
        super().__init__(config)
        width, settings = config.width, config.spectrogram
        self.mfcc_settings = MFCCSettings(config.n_mfcc, hop=settings.hop, mel_scale="htk")
        self.spectrogram = Spectrogram(settings)
        self.image = SpectrogramImage(settings)
        self.features = alexnet_features()
        self.from_image = self._layer(N_CHANNELS * POOLED**2, width)
        self.lstm = nn.LSTM(
            config.n_mfcc, config.lstm_width, 2, batch_first=True, dropout=config.lstm_dropout, bidirectional=True
        )
        self.from_mfcc = self._layer(SEGMENT_SAMPLES // settings.hop * 2 * config.lstm_width, width)
        self.encoder = build_encoder(config.encoder)
        self.frame_weights = self._layer(2 * width, config.n_frames)
        self.from_encoder = self._layer(self.encoder.width if self.encoder is not None else 0, width)
        self.joint = nn.Sequential(self._layer(3 * width, width), self._layer(width, width))
        self.classifier = nn.Linear(width, len(config.labels))
        self.to(memory_format=torch.channels_last)  # faster on a CPU

    def front_end(self, waves: Tensor, n_samples: Tensor) -> tuple[Tensor, ...]:
        """Compute the inputs of the three branches; those of the first two from waves with pre-emphasis."""
        emphasised = preemphasis(waves)
        coefficients = mfcc(emphasised, self.mfcc_settings)
        return self.spectrogram(emphasised).half(), coefficients.half(), encoder_input(self.encoder, waves)

    def prepare(self, batches: Iterable[TrainingBatch]) -> None:
        """Measure the range of each bin of the spectrograms in the training data."""
        self.image.measure(batch.inputs[0] for batch in batches)

    def classify(self, inputs: tuple[Tensor, ...], valid_fraction: Tensor) -> NetworkOutput:
        """Predict the labels; the padding counts like silence, as in the paper.

        Raises:
            ModelError: if the encoder has another number of frames than the configuration.
        """
        spectrogram, coefficients, spoken = inputs
        maps = functional.adaptive_avg_pool2d(self.features(self.image(spectrogram)), POOLED)
        spectral = self.from_image(maps.flatten(1))  # (B, width)
        steps, _ = self.lstm(functional.normalize(coefficients.transpose(1, 2), dim=2))  # (B, T, 2 * lstm_width)
        cepstral = self.from_mfcc(steps.flatten(1))
        frames = encoder_frames(self.encoder, spoken)
        if frames.shape[1] != self.config.n_frames:
            raise ModelError(f"the encoder has {frames.shape[1]} frames for a segment", f"n_frames = {frames.shape[1]}")
        weights = self.frame_weights(torch.cat((spectral, cepstral), dim=1))  # (B, n_frames)
        attended = self.from_encoder(torch.einsum("bt,btd->bd", weights, frames))
        embedding = self.joint(torch.cat((spectral, cepstral, attended), dim=1))
        return NetworkOutput(self.classifier(embedding), embedding)

    def _layer(self, n_in: int, n_out: int) -> nn.Sequential:
        return nn.Sequential(nn.Dropout(self.config.dropout), nn.Linear(n_in, n_out), nn.ReLU())
