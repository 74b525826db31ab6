"""PCQ, the whole network (section 2.4, Fig. 1A)."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from pcqtool.audio.spectrogram import Spectrogram, SpectrogramSettings
from pcqtool.errors import ModelError
from pcqtool.model.attention import TimeAttention, within
from pcqtool.model.csq import CSQ
from pcqtool.model.encoders import EncoderConfig, build
from pcqtool.model.mlcnn import MLCNN
from pcqtool.model.padding import compute_unpadded


@dataclass(frozen=True)
class PCQConfig:
    """Everything that shapes the network; each ablation of Table 4 is a difference here.

    The defaults are the paper's, with WavLM-base to be put in as the encoder; the classifier's widths, which the
    paper does not give, make the whole 97.99 M weights for four classes.

    Attributes:
        labels: the classes, in the order of the logits.
        mlcnn_channels: of MLCNN's layers, two to four of them (Fig. 3).
        mlcnn_strides: of MLCNN's layers.
        spectrogram_pool: frames and bins of the spectrogram that are averaged into one before MLCNN.
        mlcnn: the spectrogram branch; without it the frames' mean stands for Q4, and nothing is queried ("w/o MLCNN",
            which the paper does not report).
        pdc: PDC blocks, or plain 3×3 convolutions ("w/o PDC").
        csq: the channel semantic queries; they need an encoder ("w/o CSQ").
        encoder: which speech encoder ("w/o WavLM" is the kind ``none``).
        classifier_hidden: widths of the classifier's hidden layers.
        dropout: before each of the classifier's linear layers.
        mask_padding: whether Q4 and the averages over time leave out what pads a short segment; in the paper's
            reading it counts like the recording.
        fusion_batch_norm: bring each element of the fusion vector to zero mean and unit variance before the classifier
            (batch normalisation without weights), so that those which vary little are heard; the paper does not.
        spectrogram: the front end.
        mean_db: subtracted from the spectrogram; from the training data.
        sd_db: the spectrogram is divided by it; from the training data.
    """

    labels: tuple[str, ...]
    mlcnn_channels: tuple[int, ...] = (16, 32, 48, 64)
    mlcnn_strides: tuple[int, ...] = (2, 2, 2, 2)
    spectrogram_pool: tuple[int, int] = (1, 1)
    mlcnn: bool = True
    pdc: bool = True
    csq: bool = True
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    classifier_hidden: tuple[int, ...] = (1792, 1024)
    dropout: float = 0.1
    mask_padding: bool = False
    fusion_batch_norm: bool = False
    spectrogram: SpectrogramSettings = field(default_factory=SpectrogramSettings)
    mean_db: float = -50.0
    sd_db: float = 20.0

    def __post_init__(self) -> None:
        for name in ("mlcnn_channels", "mlcnn_strides", "spectrogram_pool", "classifier_hidden"):
            sizes = getattr(self, name)
            if not isinstance(sizes, tuple) or not all(type(n) is int and n > 0 for n in sizes):
                raise ModelError(f"{name} must be positive whole numbers, not {sizes!r}")
        if not self.mlcnn and self.encoder.kind == "none":
            raise ModelError("without the spectrogram branch a network needs an encoder")
        for name in ("mlcnn", "mask_padding", "fusion_batch_norm"):
            if type(getattr(self, name)) is not bool:
                raise ModelError(f"{name} is true or false, not {getattr(self, name)!r}")
        if len(self.labels) < 2 or len(set(self.labels)) != len(self.labels):
            raise ModelError(f"a model needs two or more different labels, not {list(self.labels)}")
        if not 2 <= len(self.mlcnn_channels) <= 4 or len(self.mlcnn_strides) < len(self.mlcnn_channels):
            raise ModelError("MLCNN has 2, 3 or 4 layers, each with its channels and stride")
        if len(self.spectrogram_pool) != 2:
            raise ModelError(
                f"spectrogram_pool has two numbers, of frames and of bins, not {list(self.spectrogram_pool)}"
            )
        if any(c % 4 for c in self.mlcnn_channels):
            raise ModelError(f"MLCNN's channels must be multiples of 4 (CSQ's groups), not {list(self.mlcnn_channels)}")
        if not (0 <= self.dropout < 1 and math.isfinite(self.mean_db) and 0 < self.sd_db < math.inf):
            raise ModelError("dropout must lie from 0 to below 1, mean_db be a number, sd_db a positive one")

    @property
    def queried(self) -> bool:
        """Whether the network has CSQ modules: there must be layers to query, and an encoder to query with."""
        return self.csq and self.mlcnn and self.encoder.kind != "none"


class Inputs(NamedTuple):
    """What the network's two branches begin with.

    Attributes:
        level: ``(B, 1, H, W)``, the normalised spectrogram.
        heard: what the encoder's front end gives; of a frozen encoder its hidden states ``(B, S, T, D)``; or ``None``
            without an encoder.
        share: ``(B,)``, the share of each segment that is recording and not padding, or ``None`` if padding counts too.
    """

    level: Tensor
    heard: Tensor | None
    share: Tensor | None = None


class Prediction(NamedTuple):
    """What the network says of a batch of segments.

    Attributes:
        logits: ``(B, L)``, before the softmax.
        fusion: ``(B, F)``, the fusion vector that the classifier sees (Eq. 8).
        frames: ``(B, T, D)``, the encoder's output, or ``None`` without an encoder.
    """

    logits: Tensor
    fusion: Tensor
    frames: Tensor | None


class PCQ(nn.Module):
    """Progressive channel querying: the encoder's output queries MLCNN's layers one after the other.

    Shape:
        waves ``(B, N)``, 16 kHz segments padded with zeros at the end, and ``(B,)``, how many samples of each are
        recording; ``None``: all of them → ``Prediction``
    """

    def __init__(self, config: PCQConfig) -> None:
        super().__init__()
        self.config = config
        channels = config.mlcnn_channels
        self.spectrogram = Spectrogram(config.spectrogram)
        self.mlcnn = MLCNN(channels, config.mlcnn_strides, config.pdc) if config.mlcnn else None
        self.encoder = build(config.encoder)
        pairs = list(itertools.pairwise(channels)) if config.queried else []
        self.csq = nn.ModuleList(CSQ(shallow, deep) for shallow, deep in pairs)
        width = sum(shallow for shallow, _ in pairs) + (channels[-1] if config.mlcnn else 0)
        if self.encoder is not None:
            width += self.encoder.width
            if config.mlcnn:
                self.attention = TimeAttention(channels[-1])
        self.fusion_width = width
        self.scale = nn.BatchNorm1d(width, affine=False) if config.fusion_batch_norm else nn.Identity()
        self.classifier = _classifier((width, *config.classifier_hidden, len(config.labels)), config.dropout)
        self.to(memory_format=torch.channels_last)  # of 2-D convolutions: half the time on a CPU

    def forward(self, waves: Tensor, n_samples: Tensor | None = None) -> Prediction:
        """Judge a batch of segments."""
        return self.judge(self.perceive(waves, n_samples))

    def perceive(self, waves: Tensor, n_samples: Tensor | None = None) -> Inputs:
        """Compute what nothing is learnt for: the front ends, and the hidden states of a frozen encoder."""
        spared = n_samples if waves.device.type == "cpu" else None  # a GPU is quicker with one shape for all
        level, heard = self.normalise(self.spectrum(waves, spared)), self.hear(waves, spared)
        return Inputs(level, heard, self.share(n_samples, waves.shape[1]))

    def level(self, waves: Tensor) -> Tensor:
        """Compute the normalised spectrogram ``(B, 1, H, W)``."""
        return self.normalise(self.spectrum(waves))

    def spectrum(self, waves: Tensor, n_samples: Tensor | None = None) -> Tensor:
        """Compute the spectrogram with its frames and bins averaged, ``(B, 1, H, W)`` in dB.

        With ``n_samples`` ``(B,)``, the padding behind them, which lies at the floor, is not computed.
        """
        if n_samples is None:
            return functional.avg_pool2d(self.spectrogram(waves).unsqueeze(1), self.config.spectrogram_pool)
        settings = self.config.spectrogram
        step = settings.hop * self.config.spectrogram_pool[0]
        n_steps, reach = waves.shape[1] // step, settings.n_fft // 2
        return compute_unpadded(self.spectrum, waves, n_samples, step, n_steps, reach, settings.floor_db)

    def normalise(self, spectrum: Tensor) -> Tensor:
        """Bring a spectrogram in dB to the training data's zero mean and unit variance."""
        return (spectrum - self.config.mean_db) / self.config.sd_db

    def hear(self, waves: Tensor, n_samples: Tensor | None = None) -> Tensor | None:
        """Compute what the encoder's part of the network begins with; with ``n_samples``, no padding that is masked."""
        if self.encoder is None:
            return None
        if not self.config.encoder.frozen:
            return self.encoder.front_end(waves)
        masked = self.config.mask_padding and not self.config.queried
        with torch.no_grad():
            return self.encoder.states(waves, n_samples if masked else None)

    def frames(self, heard: Tensor | None) -> Tensor | None:
        """Compute the encoder's output ``(B, T, D)`` from what ``hear`` gives."""
        if self.encoder is None or heard is None:
            return None
        frozen = self.config.encoder.frozen
        frames: Tensor = self.encoder.combine(heard.unbind(1)) if frozen else self.encoder(heard)
        return frames

    def share(self, n_samples: Tensor | None, length: int) -> Tensor | None:
        """Compute the share of segments of ``length`` samples that is recording, where padding is to be left out."""
        return n_samples / length if n_samples is not None and self.config.mask_padding else None

    def judge(self, inputs: Inputs) -> Prediction:
        """Judge what the front ends have made of a batch of segments."""
        frames = self.frames(inputs.heard)
        parts = []
        if self.mlcnn is not None:
            maps = self.mlcnn(inputs.level.contiguous(memory_format=torch.channels_last))
            parts += [_gap(z, inputs.share) for z in (*self._query(maps, frames), maps[-1])]
            if frames is not None:
                parts.append(self.attention(maps[-1], frames, inputs.share))  # Q4
        elif frames is not None:
            parts.append(_gap(frames.transpose(1, 2).unsqueeze(3), inputs.share))
        fusion = torch.cat(parts, dim=1)
        return Prediction(self.classifier(self.scale(fusion)), fusion, frames)

    def _query(self, maps: list[Tensor], frames: Tensor | None) -> list[Tensor]:
        """Give z1, z2, z3: each CSQ under its query token Q1, Q2, Q3 (Eq. 6)."""
        if frames is None:
            return []
        token = frames.unsqueeze(1)  # (B, 1, T, D): one channel
        return [
            csq(shallow, deep, functional.adaptive_avg_pool2d(token, (shallow.shape[2], shallow.shape[3])))
            for csq, shallow, deep in zip(self.csq, maps, maps[1:], strict=False)
        ]


def _gap(x: Tensor, share: Tensor | None) -> Tensor:
    """Average ``(B, C, H, W)`` over its positions, those in time only within ``share``: ``(B, C)`` (Eq. 1)."""
    if share is None:
        return x.mean(dim=(2, 3))
    inside = within(share, x.shape[2]).to(x.dtype)
    return torch.einsum("bch,bh->bc", x.mean(dim=3), inside / inside.sum(dim=1, keepdim=True))


def _classifier(widths: tuple[int, ...], dropout: float) -> nn.Sequential:
    """Linear layers with ReLU between them (Eq. 9)."""
    layers: list[nn.Module] = []
    for c_in, c_out in itertools.pairwise(widths):
        layers += [nn.Dropout(dropout), nn.Linear(c_in, c_out), nn.ReLU()]
    return nn.Sequential(*layers[:-1])
