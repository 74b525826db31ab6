"""PCQ, the complete network (section 2.4, Fig. 1A)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional

from pcqtool.audio.spectrogram import Spectrogram, SpectrogramSettings
from pcqtool.errors import ModelError
from pcqtool.model.attention import TimeAttention, valid_steps
from pcqtool.model.csq import CSQ
from pcqtool.model.encoders import EncoderConfig, build
from pcqtool.model.mlcnn import MLCNN
from pcqtool.model.network import Network, NetworkConfig, NetworkInputs, NetworkOutput
from pcqtool.model.padding import compute_unpadded
from pcqtool.model.standardisation import MeanAndSd, Standardisation
from pcqtool.model.weights import learned_state

QUERIES = ("pooled", "projected")


@dataclass(frozen=True)
class PCQConfig(NetworkConfig):
    """All settings of the network's architecture; each ablation of Table 4 changes one of them.

    The defaults are the paper's, except that an encoder such as WavLM-base has to be set. The paper does not give the
    widths of the classifier: with these the network has 97.99 M weights for four classes.

    Attributes:
        mlcnn_channels: output channels of MLCNN's two to four layers (Fig. 3).
        mlcnn_strides: strides of MLCNN's layers.
        spectrogram_pool: average pooling of the spectrogram before MLCNN, in frames and bins.
        mlcnn: use the spectrogram branch. Without it the mean of the encoder's frames replaces Q4, and there is no CSQ
            ("w/o MLCNN", an ablation that the paper does not report).
        pdc: use PDC blocks; otherwise plain 3×3 convolutions ("w/o PDC").
        csq: use the channel semantic queries, which need an encoder ("w/o CSQ").
        query: how the encoder's frames become the query token of each CSQ module. ``pooled``, the paper's: the frames
            as a map, averaged to the size of the shallow layer. ``projected``: a learned linear layer from a frame to
            the width of that map, averaged over time; not in the paper.
        csq_gate: multiply Gap(z1) to Gap(z3) by learned weights that start at 0; not in the paper.
        encoder: the speech encoder ("w/o WavLM" is the kind ``none``).
        frame_pool: number of frames of a frozen encoder that are averaged; not in the paper.
        classifier_hidden: widths of the classifier's hidden layers.
        dropout: dropout rate before each linear layer of the classifier.
        mask_padding: exclude the padding of a short segment from Q4 and from the averages over time; the paper
            treats it like the recording.
        fusion_batch_norm: normalise each element of the fusion vector to zero mean and unit variance (batch
            normalisation without weights), so that elements of small variance count too; not in the paper.
        spectrogram: settings of the spectrogram.
        mean_db: mean of the training spectrograms, subtracted from each input; unused with a profile.
        sd_db: standard deviation of the training spectrograms, by which each input is divided; unused with a profile.
        profile_s: standardise each bin of the spectrogram, and each element of a frozen encoder's frames, by the
            profile of the batch; this many seconds of its speech weigh as much as the training data's own statistics.
            0: use neither; not in the paper.
    """

    mlcnn_channels: tuple[int, ...] = (16, 32, 48, 64)
    mlcnn_strides: tuple[int, ...] = (2, 2, 2, 2)
    spectrogram_pool: tuple[int, int] = (1, 1)
    mlcnn: bool = True
    pdc: bool = True
    csq: bool = True
    query: str = "pooled"
    csq_gate: bool = False
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    frame_pool: int = 1
    classifier_hidden: tuple[int, ...] = (1792, 1024)
    dropout: float = 0.1
    mask_padding: bool = False
    fusion_batch_norm: bool = False
    spectrogram: SpectrogramSettings = field(default_factory=SpectrogramSettings)
    mean_db: float = -50.0
    sd_db: float = 20.0
    profile_s: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("mlcnn_channels", "mlcnn_strides", "spectrogram_pool", "classifier_hidden"):
            sizes = getattr(self, name)
            if not isinstance(sizes, tuple) or not all(type(n) is int and n > 0 for n in sizes):
                raise ModelError(f"{name} must be positive whole numbers, not {sizes!r}")
        if self.query not in QUERIES:
            raise ModelError(f"query must be one of {', '.join(QUERIES)}, not {self.query!r}")
        if type(self.frame_pool) is not int or self.frame_pool < 1 or (self.frame_pool > 1 and not self.encoder.frozen):
            raise ModelError("frame_pool must be 1 or more, and 1 without a frozen encoder")
        if not self.mlcnn and self.encoder.kind == "none":
            raise ModelError("a network without MLCNN needs an encoder")
        for name in ("mlcnn", "mask_padding", "fusion_batch_norm", "csq_gate"):
            if type(getattr(self, name)) is not bool:
                raise ModelError(f"{name} must be true or false, not {getattr(self, name)!r}")
        if not 2 <= len(self.mlcnn_channels) <= 4 or len(self.mlcnn_strides) < len(self.mlcnn_channels):
            raise ModelError("mlcnn_channels must have 2 to 4 values, and mlcnn_strides at least as many")
        if len(self.spectrogram_pool) != 2:
            raise ModelError(
                f"spectrogram_pool must be two numbers, frames and bins, not {list(self.spectrogram_pool)}"
            )
        if any(c % 4 for c in self.mlcnn_channels):
            raise ModelError(
                f"mlcnn_channels must be multiples of 4 (the groups of CSQ), not {list(self.mlcnn_channels)}"
            )
        if not (0 <= self.dropout < 1 and math.isfinite(self.mean_db) and 0 < self.sd_db < math.inf):
            raise ModelError("dropout must be from 0 to below 1, mean_db finite and sd_db positive")
        if not 0 <= self.profile_s < math.inf:
            raise ModelError(f"profile_s must be 0 or more seconds, not {self.profile_s!r}")

    @property
    def uses_csq(self) -> bool:
        """Whether the network has CSQ modules, which need MLCNN's layers and an encoder."""
        return self.csq and self.mlcnn and self.encoder.kind != "none"

    @property
    def n_pooled_bins(self) -> int:
        """Bins of the pooled spectrogram."""
        return self.spectrogram.n_bins // self.spectrogram_pool[1]


class PCQ(Network[PCQConfig]):
    """Progressive channel querying: the encoder's output queries MLCNN's layers one after another (Eqs. 6 to 9).

    Shape:
        waves ``(B, N)``, 16 kHz segments padded with zeros at the end, and n_samples ``(B,)``, their lengths before
        padding (``None`` if nothing is padded) → ``NetworkOutput``

    Examples:
        >>> import torch
        >>> encoder = EncoderConfig("mini", {"dim": 32, "n_blocks": 1})
        >>> model = PCQ(PCQConfig(("anger", "neutral", "sadness"), encoder=encoder)).eval()
        >>> prediction = model(torch.zeros(2, 48000))
        >>> prediction.logits.shape, prediction.frames.shape
        (torch.Size([2, 3]), torch.Size([2, 75, 32]))
    """

    config_class = PCQConfig

    def __init__(self, config: PCQConfig) -> None:
        super().__init__(config)
        channels = config.mlcnn_channels
        self.spectrogram = Spectrogram(config.spectrogram)
        self.mlcnn = MLCNN(channels, config.mlcnn_strides, config.pdc) if config.mlcnn else None
        self.encoder = build(config.encoder)
        if config.profile_s:
            n_elements = self.encoder.width if self.encoder is not None and config.encoder.frozen else 0
            self.standardisation = Standardisation(n_elements, config.n_pooled_bins)
        pairs = list(itertools.pairwise(channels)) if config.uses_csq else []
        self.csq = nn.ModuleList(CSQ(shallow, deep) for shallow, deep in pairs)
        if pairs and self.encoder is not None and config.query == "projected":
            widths = _map_widths(config)[: len(pairs)]
            self.query = nn.ModuleList(nn.Linear(self.encoder.width, width, bias=False) for width in widths)
        n_queried = sum(shallow for shallow, _ in pairs)
        self.gate = nn.Parameter(torch.zeros(n_queried)) if config.csq_gate else None
        width = n_queried + (channels[-1] if config.mlcnn else 0)
        if self.encoder is not None:
            width += self.encoder.width
            if config.mlcnn:
                self.attention = TimeAttention(channels[-1])
        self.fusion_width = width
        self.scale = nn.BatchNorm1d(width, affine=False) if config.fusion_batch_norm else nn.Identity()
        self.classifier = _classifier((width, *config.classifier_hidden, len(config.labels)), config.dropout)
        self.to(memory_format=torch.channels_last)  # halves the time of 2-D convolutions on a CPU

    def front_end(self, waves: Tensor, n_samples: Tensor | None = None) -> tuple[Tensor, ...]:
        """Compute the pooled spectrogram in dB, and ``encoder_input`` if there is an encoder."""
        unpadded = n_samples if waves.device.type == "cpu" else None  # a GPU is faster with one shape for all segments
        spectrogram, encoder_input = self.log_spectrogram(waves, unpadded), self.encoder_input(waves, unpadded)
        return (spectrogram,) if encoder_input is None else (spectrogram, encoder_input)

    def encode_inputs(
        self, waves: Tensor, n_samples: Tensor | None = None, statistics: MeanAndSd | None = None
    ) -> NetworkInputs:
        """Compute the part without trainable weights: both front ends, and a frozen encoder's hidden states."""
        features = self.standardise(self.front_end(waves, n_samples), statistics)
        return NetworkInputs(features, self.valid_fraction(n_samples, waves.shape[1]), statistics)

    def standardise(self, features: tuple[Tensor, ...], statistics: MeanAndSd | None) -> tuple[Tensor, ...]:
        """Normalise the spectrogram; the frames of a frozen encoder are standardised after it."""
        return self.normalise(features[0], statistics), *features[1:]

    def mask(self, features: tuple[Tensor, ...], masked: Callable[[Tensor], Tensor]) -> tuple[Tensor, ...]:
        """Mask the spectrogram and, independently, the log-mel frames of an encoder that reads them.

        Waves and the hidden states of a frozen encoder are not masked.
        """
        spectrogram = masked(features[0].transpose(2, 3)).transpose(2, 3)
        return spectrogram, *(masked(x.unsqueeze(1)).squeeze(1) if x.ndim == 3 else x for x in features[1:])

    def moments(self, waves: Tensor, n_samples: Tensor) -> Tensor:
        """Compute mean and mean square of each segment's features over its frames ``(B, 2, C)``, for a profile."""
        unpadded = n_samples if waves.device.type == "cpu" else None
        spectrogram = self.log_spectrogram(waves, unpadded)
        return self.moments_of(self.encoder_input(waves, unpadded), spectrogram, n_samples / waves.shape[1])

    def moments_of(self, encoder_input: Tensor | None, log_spectrogram: Tensor, valid_fraction: Tensor) -> Tensor:
        """Compute ``moments`` from the outputs of the front ends."""
        features = [log_spectrogram.squeeze(1)]
        if self.encoder is not None and encoder_input is not None and self.standardisation.n_elements:
            features.insert(0, self.encoder.combine(encoder_input.unbind(1)))
        return torch.cat([_moments(each, valid_fraction) for each in features], dim=2)

    def normalised_spectrogram(self, waves: Tensor) -> Tensor:
        """Compute the normalised spectrogram ``(B, 1, H, W)``."""
        return self.normalise(self.log_spectrogram(waves))

    def log_spectrogram(self, waves: Tensor, n_samples: Tensor | None = None) -> Tensor:
        """Compute the pooled spectrogram ``(B, 1, H, W)`` in dB.

        With ``n_samples`` ``(B,)``, the padding is filled with the floor instead of being computed.
        """
        if n_samples is None:
            return functional.avg_pool2d(self.spectrogram(waves).unsqueeze(1), self.config.spectrogram_pool)
        settings = self.config.spectrogram
        step = settings.hop * self.config.spectrogram_pool[0]
        n_steps, lookahead = waves.shape[1] // step, settings.n_fft // 2
        return compute_unpadded(self.log_spectrogram, waves, n_samples, step, n_steps, lookahead, settings.floor_db)

    def normalise(self, log_spectrogram: Tensor, statistics: MeanAndSd | None = None) -> Tensor:
        """Normalise a spectrogram in dB with mean and standard deviation of the profile or the training data."""
        if not self.config.profile_s:
            return (log_spectrogram - self.config.mean_db) / self.config.sd_db
        return self.standardisation.standardise_bins(log_spectrogram, statistics or self.standardisation.statistics())

    def encoder_input(self, waves: Tensor, n_samples: Tensor | None = None) -> Tensor | None:
        """Compute the output of the encoder's front end, or a frozen encoder's hidden states ``(B, S, T, D)``.

        With ``n_samples``, masked padding is not computed. ``None`` without an encoder.
        """
        if self.encoder is None:
            return None
        if not self.config.encoder.frozen:
            return self.encoder.front_end(waves)
        masked = self.config.mask_padding and not self.config.uses_csq
        with torch.no_grad():
            return pool_frames(self.encoder.encode(waves, n_samples if masked else None), self.config.frame_pool)

    def encoder_frames(self, encoder_input: Tensor | None, statistics: MeanAndSd | None = None) -> Tensor | None:
        """Compute the encoder's output ``(B, T, D)``, standardised if the network does, from ``encoder_input``."""
        if self.encoder is None or encoder_input is None:
            return None
        frozen = self.config.encoder.frozen
        frames: Tensor = self.encoder.combine(encoder_input.unbind(1)) if frozen else self.encoder(encoder_input)
        if not self.config.profile_s or not frozen:
            return frames
        return self.standardisation.standardise_frames(frames, statistics or self.standardisation.statistics())

    def valid_fraction(self, n_samples: Tensor | None, length: int) -> Tensor | None:
        """Return the unpadded fraction of segments of ``length`` samples; ``None`` if padding is not masked."""
        return n_samples / length if n_samples is not None and self.config.mask_padding else None

    def predict(self, inputs: NetworkInputs) -> NetworkOutput:
        """Predict the labels from the outputs of ``encode_inputs`` (Eqs. 6 to 9)."""
        return self.classify(*inputs)

    def classify(
        self, inputs: tuple[Tensor, ...], valid_fraction: Tensor | None, statistics: MeanAndSd | None = None
    ) -> NetworkOutput:
        """Predict the labels from the normalised spectrogram and ``encoder_input``."""
        spectrogram, fraction = inputs[0], valid_fraction
        frames = self.encoder_frames(inputs[1] if len(inputs) > 1 else None, statistics)
        parts = []
        if self.mlcnn is not None:
            maps = self.mlcnn(spectrogram.contiguous(memory_format=torch.channels_last))  # x1 to x4
            parts += [_gap(z, fraction) for z in (*self._query(maps, frames), maps[-1])]
            if frames is not None:
                parts.append(self.attention(maps[-1], frames, fraction))  # Q4
        elif frames is not None:
            parts.append(_gap(frames.transpose(1, 2).unsqueeze(3), fraction))
        fusion = torch.cat(parts, dim=1)  # (B, F)
        scaled = self.scale(fusion)
        if self.gate is not None:
            n = len(self.gate)  # z1, z2 and z3 come first
            scaled = torch.cat((scaled[:, :n] * self.gate, scaled[:, n:]), dim=1)
        return NetworkOutput(self.classifier(scaled), fusion, frames)

    def stored_state(self) -> dict[str, Tensor]:
        """Return parameters and running statistics; other buffers follow from the configuration."""
        return learned_state(self)

    def stored_exactly(self) -> set[str]:
        """Return the statistics of standardisation: variances are small differences of their squares."""
        return {name for name in self.stored_state() if name.startswith("standardisation.")}

    def _query(self, maps: list[Tensor], frames: Tensor | None) -> list[Tensor]:
        """Compute z1, z2, z3, the outputs of the CSQ modules for the query tokens Q1, Q2, Q3 (Eq. 6)."""
        if frames is None:
            return []
        tokens = [frames] * len(self.csq)  # (B, T, D)
        if self.csq and self.config.query == "projected":
            tokens = [project(frames) for project in self.query]
        return [
            csq(shallow, deep, functional.adaptive_avg_pool2d(token.unsqueeze(1), (shallow.shape[2], shallow.shape[3])))
            for csq, token, shallow, deep in zip(self.csq, tokens, maps, maps[1:], strict=False)
        ]


def _map_widths(config: PCQConfig) -> list[int]:
    """Return the widths in bins of MLCNN's maps."""
    strides = itertools.accumulate(
        config.mlcnn_strides, lambda width, stride: -(-width // stride), initial=config.n_pooled_bins
    )
    return list(strides)[1:]


def pool_frames(states: Tensor, n: int) -> Tensor:
    """Average every ``n`` frames of hidden states ``(B, S, T, D)``; a rest of fewer frames is averaged too."""
    return states if n == 1 else functional.avg_pool2d(states, (n, 1), ceil_mode=True, count_include_pad=False)


def _moments(features: Tensor, valid_fraction: Tensor) -> Tensor:
    """Compute mean and mean square ``(B, 2, C)`` of features ``(B, T, C)`` over their valid steps."""
    valid = valid_steps(valid_fraction, features.shape[1]).to(features.dtype)
    weights = valid / valid.sum(dim=1, keepdim=True)
    return torch.stack([torch.einsum("btc,bt->bc", each, weights) for each in (features, features.square())], dim=1)


def _gap(x: Tensor, valid_fraction: Tensor | None) -> Tensor:
    """Compute Gap, the global average of ``(B, C, H, W)`` over its valid positions: ``(B, C)`` (Eq. 1)."""
    if valid_fraction is None:
        return x.mean(dim=(2, 3))
    valid = valid_steps(valid_fraction, x.shape[2]).to(x.dtype)  # (B, H)
    return torch.einsum("bch,bh->bc", x.mean(dim=3), valid / valid.sum(dim=1, keepdim=True))


def _classifier(widths: tuple[int, ...], dropout: float) -> nn.Sequential:
    """Build linear layers with dropout before and ReLU between them (Eq. 9)."""
    layers: list[nn.Module] = []
    for c_in, c_out in itertools.pairwise(widths):
        layers += [nn.Dropout(dropout), nn.Linear(c_in, c_out), nn.ReLU()]
    return nn.Sequential(*layers[:-1])
