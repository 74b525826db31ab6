"""The settings of a network that graphs can be built for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

from pcqtool.audio.power_spectra import MEL_HOP
from pcqtool.audio.segment import SAMPLE_RATE
from pcqtool.model.config import ModelConfig
from pcqtool.model.mini_architecture import MiniArchitecture
from pcqtool.model.setting_bounds import ENCODER, MINI, NETWORK, SPECTROGRAM, check_rules

_ENCODER = {"kind": "mini", "frozen": True, "concat_layers": True}
_NETWORK = {
    "mlcnn": True,
    "pdc": True,
    "csq": True,
    "query": "projected",
    "csq_gate": False,
    "classifier_hidden": [],
    "mask_padding": True,
    "fusion_batch_norm": True,
}
_SPECTROGRAM = {"sample_rate": SAMPLE_RATE, "hop": MEL_HOP}

_UNUSED = {"kind", "dropout", "mean_db", "sd_db"}  # of PCQ, of training, and of networks without profiles
_SIZES = {"encoder", "spectrogram", "mlcnn_channels", "mlcnn_strides", "spectrogram_pool", "frame_pool", "profile_s"}
_KNOWN = (
    {*_NETWORK, *_SIZES, *_UNUSED},
    {*_ENCODER, "architecture", "layers"},
    {*_SPECTROGRAM, "window", "n_fft", "n_bins", "floor_db"},
)

_MAX_ENLARGEMENT = 2**24
"""Elements of the matrix that enlarges a map; it grows with the square of the map, and torch needs none."""


@dataclass(frozen=True)
class GraphSettings:
    """Sizes of PCQ with the small encoder, for segments of one length.

    Attributes:
        n_steps: steps of the log-mel frames and of the spectrogram.
        encoder: sizes of the encoder.
        layers: its hidden states in use.
        frame_pool: frames that are averaged.
        channels: of MLCNN's layers.
        strides: of MLCNN's layers.
        pool: average pooling of the spectrogram, in frames and bins.
        n_bins: bins of the spectrogram before pooling.
        window: of the spectrogram, in samples.
        n_fft: of the spectrogram.
        floor_db: of the spectrogram.
    """

    n_steps: int
    encoder: MiniArchitecture
    layers: tuple[int, ...]
    frame_pool: int
    channels: tuple[int, ...]
    strides: tuple[int, ...]
    pool: tuple[int, int]
    n_bins: int
    window: int
    n_fft: int
    floor_db: float

    @property
    def n_frames(self) -> int:
        """Pooled frames of the encoder."""
        return -(-(self.n_steps // 4) // self.frame_pool)

    @property
    def n_elements(self) -> int:
        """Elements of a frame: those of all layers in use."""
        return self.encoder.dim * len(self.layers)

    @property
    def n_fused(self) -> int:
        """Elements of the fusion vector: Gap of each map's query and of the last map, and Q4."""
        return sum(self.channels) + self.n_elements

    @property
    def spectrogram_size(self) -> tuple[int, int]:
        """Steps and bins of the pooled spectrogram."""
        return self.n_steps // self.pool[0], self.n_bins // self.pool[1]


def graph_settings(config: ModelConfig, n_samples: int) -> GraphSettings | None:
    """Return the settings of a model's graph for segments of ``n_samples``; ``None`` if there is no graph for it."""
    network = config.network
    parts = [network.get(name) for name in ("encoder", "spectrogram")]
    is_pcq = network.get("kind", "pcq") == "pcq"
    if not is_pcq or config.encoder_source is not None or not all(isinstance(part, Mapping) for part in parts):
        return None
    encoder: Mapping[str, Any]
    spectrogram: Mapping[str, Any]
    encoder, spectrogram = parts  # type: ignore[assignment]
    if not (_has(network, _NETWORK) and _has(encoder, _ENCODER) and _has(spectrogram, _SPECTROGRAM)):
        return None
    if any(table.keys() - names for table, names in zip((network, encoder, spectrogram), _KNOWN, strict=True)):
        return None
    try:
        tables = (network, NETWORK), (spectrogram, SPECTROGRAM), (encoder, ENCODER), (encoder["architecture"], MINI)
        for table, rules in tables:
            check_rules(table, rules)
        sizes = MiniArchitecture(**encoder["architecture"])
        settings = GraphSettings(
            n_steps=n_samples // MEL_HOP,
            encoder=sizes,
            layers=tuple(layer % (sizes.n_blocks + 1) for layer in encoder["layers"]),
            frame_pool=network["frame_pool"],
            channels=tuple(network["mlcnn_channels"]),
            strides=tuple(network["mlcnn_strides"]),
            pool=(network["spectrogram_pool"][0], network["spectrogram_pool"][1]),
            n_bins=spectrogram["n_bins"],
            window=spectrogram["window"],
            n_fft=spectrogram["n_fft"],
            floor_db=spectrogram["floor_db"],
        )
    except (AttributeError, KeyError, IndexError, TypeError, ValueError):  # torch's reader says what is wrong
        return None
    n_states = sizes.n_blocks + 1
    fits = (
        n_samples % (4 * MEL_HOP) == 0
        and network.get("profile_s", 0) > 0
        and sizes.kernel % 2 == 1
        and len(settings.layers) > 1
        and all(-n_states <= layer < n_states for layer in encoder["layers"])
        and 2 <= len(settings.channels) <= min(4, len(settings.strides))
        and not any(n % 4 for n in settings.channels)
        and len(config.labels) > 1
        and 1 < settings.window <= settings.n_fft
        and settings.n_bins <= settings.n_fft // 2 + 1
        and settings.floor_db < 0
        and 0 < prod(-(-n // settings.strides[0]) for n in settings.spectrogram_size) ** 2 < _MAX_ENLARGEMENT
    )
    return settings if fits else None


def _has(table: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    return all(name in table and table[name] == value for name, value in wanted.items())
