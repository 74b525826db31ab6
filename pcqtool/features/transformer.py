"""Features in a pipeline of scikit-learn."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin

from pcqtool.audio.channel_segmenter import ChannelSegmenter, Chunk
from pcqtool.audio.reader import ReaderOptions, SegmentReader
from pcqtool.batch.batcher import Batcher, ChannelState
from pcqtool.errors import AudioError, SettingsError
from pcqtool.features.settings import STATISTICS_ALONE, FeatureSettings
from pcqtool.features.sources import origin
from pcqtool.features.task import Extraction
from pcqtool.files.display import display_path
from pcqtool.model.directory import EncoderSearchPath
from pcqtool.tables.feature_schema import STATISTICS

Recording = str | os.PathLike[str] | NDArray[Any]
"""A path, or a wave ``(n,)`` at 16 kHz."""


class Extractor(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Turns recordings into vectors: statistics of their features, as in the file table of ``pcqtool extract``.

    It learns nothing, so it contains no training data. The network is loaded when it is first needed,
    kept, and left out of pickles.

    Args:
        of: ``frames`` of a speech encoder, the ``fusion`` vector of a model, or the ``spectrogram``.
        model: name or directory of a model; ``None`` for the bundled one.
        encoder: a pre-trained encoder for the frames instead of a model's: a directory, or an id of the Hub.
        layer: hidden state of the encoder, 0 for the input of its first layer, -1 for the output of the last;
            ``None`` for the layers that a model uses, or an encoder's last.
        statistics: which of ``mean`` and ``sd`` over the recording, in this order.
        channels: ``mix``, or the number of one channel.
        vad: whether to skip segments without speech.
        encoder_dir: folders to search for an encoder that a model refers to; ``None`` for ``PCQTOOL_ENCODERS``.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.
        batch_size: segments computed at once; ``None`` for a number that suits the device.

    Examples:
        >>> import numpy as np
        >>> waves = [np.random.default_rng(n).normal(size=16000 * n).astype(np.float32) for n in (1, 4)]
        >>> Extractor("spectrogram").fit_transform(waves).shape
        (2, 400)
    """

    def __init__(
        self,
        of: str = "frames",
        *,
        model: str | None = None,
        encoder: str | None = None,
        layer: int | None = None,
        statistics: Sequence[str] = STATISTICS,
        channels: str = "mix",
        vad: bool = False,
        encoder_dir: Sequence[str | Path] | None = None,
        device: str = "auto",
        batch_size: int | None = None,
    ) -> None:
        self.of = of
        self.model = model
        self.encoder = encoder
        self.layer = layer
        self.statistics = statistics
        self.channels = channels
        self.vad = vad
        self.encoder_dir = encoder_dir
        self.device = device
        self.batch_size = batch_size

    def fit(self, X: Sequence[Recording], y: ArrayLike | None = None) -> Self:  # noqa: N803
        """Check the settings; nothing is learned.

        Raises:
            SettingsError: if one is not possible.
        """
        from pcqtool.model.device import choose_device

        self._settings()
        choose_device(self.device)
        return self

    def transform(self, X: Sequence[Recording]) -> NDArray[np.float32]:  # noqa: N803
        """Compute a row for each recording.

        Args:
            X: paths, or waves ``(n,)`` at 16 kHz; both may be mixed.

        Returns:
            Shape ``(len(X), d)``, where ``d`` is the feature's width times the number of statistics.

        Raises:
            AudioError: if a recording cannot be read, or contains nothing to compute features from.
            ModelError: if the model or encoder is missing or damaged.
            SettingsError: if a setting is not possible, or a wave has another shape.
        """
        task = self._task()
        batcher, channels = Batcher(task), []
        for item in X:
            channels.append(ChannelState("", task.new_accumulator()))
            for chunk in _chunks(item, task.settings.reader_options):
                batcher.add(channels[-1], chunk)
                _consume(channels[-1])
        batcher.finish()
        for number, channel in enumerate(channels):
            _consume(channel)
            if not channel.n_consumed:
                reason = "no speech" if channel.spans else "no audio"
                raise AudioError(f"{_name(X[number], number)}: {reason} in it", "Leave it out.")
        columns = [f"{self.of}_{statistic}" for statistic in self.statistics]
        rows = [np.concatenate([channel.accumulator.result()[column] for column in columns]) for channel in channels]
        return np.stack(rows) if rows else np.zeros((0, len(columns) * task.network.shape[-1]), np.float32)

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray[np.object_]:
        """Return the names of the columns: ``frames_mean_0`` and so on."""
        width = self._task().network.shape[-1]
        names = [f"{self.of}_{statistic}_{n}" for statistic in self.statistics for n in range(width)]
        return np.array(names, dtype=object)

    def _settings(self) -> FeatureSettings:
        if not self.statistics or not set(self.statistics) <= set(STATISTICS):
            raise SettingsError(f"statistics cannot be {self.statistics!r}", f"Known: {', '.join(STATISTICS)}.")
        if self.channels in ("auto", "split"):
            raise SettingsError(
                f"channels cannot be {self.channels!r} here",
                "Use mix or a channel number: one row per recording.",
            )
        options = ReaderOptions(self.channels, self.vad)
        return FeatureSettings(options, batch_size=self.batch_size, what=STATISTICS_ALONE, of=self.of, layer=self.layer)

    def _task(self) -> Extraction:
        """Load the network, unless it was loaded with the same settings before."""
        settings, wanted = self._settings(), repr(sorted(self.get_params().items()))
        if getattr(self, "_loaded", ("",))[0] != wanted:
            folders = None if self.encoder_dir is None else tuple(map(Path, self.encoder_dir))
            search_path = EncoderSearchPath(folders, download=self.model is not None)
            source = origin(settings, self.model, self.encoder, search_path)
            self._loaded = wanted, Extraction(source.network(self.device), settings)
        return self._loaded[1]

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in super().__getstate__().items() if name != "_loaded"}

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.no_validation = True
        return tags


def _chunks(item: Recording, options: ReaderOptions) -> Iterator[Chunk]:
    if isinstance(item, str | os.PathLike):
        yield from SegmentReader(Path(item), options)
        return
    wave = np.asarray(item)
    if wave.ndim != 1 or not np.issubdtype(wave.dtype, np.floating) or not np.isfinite(wave).all():
        raise SettingsError(
            f"a recording must be a path or finite float samples (n,) at 16 kHz, not {wave.dtype} of shape {wave.shape}"
        )
    segmenter = ChannelSegmenter("0", options.n_samples, options.vad)
    yield from segmenter.push(wave.astype(np.float32))
    yield from segmenter.flush()


def _consume(channel: ChannelState) -> None:
    for number in sorted(channel.values):
        channel.consume(number)


def _name(item: Recording, number: int) -> str:
    return display_path(Path(item)) if isinstance(item, str | os.PathLike) else f"recording {number}"
