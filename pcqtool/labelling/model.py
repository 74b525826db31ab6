"""A model for Python: predictions for one recording, or for samples in memory."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from pcqtool.arguments import StrPath, as_path
from pcqtool.batch.batcher import Batcher
from pcqtool.batch.job import split_options
from pcqtool.batch.names import find_sources
from pcqtool.batch.prefetch import open_source
from pcqtool.batch.profiling import open_profile
from pcqtool.batch.rows import RowQueue
from pcqtool.errors import AudioError, SettingsError
from pcqtool.labelling.api import LabelOptions
from pcqtool.labelling.settings import LabelSettings
from pcqtool.labelling.task import Labelling
from pcqtool.model.directory import find
from pcqtool.model.encoder_search import search_path
from pcqtool.model.predictors import load_predictors
from pcqtool.model.segment_predictor import SegmentPredictor
from pcqtool.tables.schema import probability_columns

if TYPE_CHECKING:
    import polars as pl
    import torch
    from numpy.typing import NDArray

    from pcqtool.model.profile_file import BatchProfile

_MAX_AMPLITUDE = 2.0**24  # far above 24-bit integers that were not scaled; squares stay finite in float32


@dataclass(frozen=True)
class Prediction:
    """The emotions of one recording.

    Attributes:
        files: a row per channel, as in the file table of ``pcqtool label``.
        segments: a row per segment, as in the segment table.
        labels: the model's classes.
    """

    files: pl.DataFrame
    segments: pl.DataFrame
    labels: Sequence[str]

    @property
    def label(self) -> str | None:
        """The most probable class of a recording with one channel; None without speech or below ``min_confidence``."""
        return str(self._row["label"]) if self._row["label"] is not None else None

    @property
    def probabilities(self) -> dict[str, float]:
        """Calibrated probabilities of a recording with one channel, by class; empty if it contains no speech."""
        row = self._row
        columns = zip(self.labels, probability_columns(self.labels), strict=True)
        return {label: row[column] for label, column in columns if row[column] is not None}

    @property
    def _row(self) -> dict[str, Any]:
        if len(self.files) != 1:
            raise SettingsError(
                f"the recording has {len(self.files)} channels with separate probabilities", "Use .files."
            )
        return self.files.row(0, named=True)


class Model:
    """A loaded model; ``load_model`` returns one.

    Attributes:
        name: of the model.
        labels: its classes, in the order of its probabilities.
        trained_on: the corpora it was trained on, in words.
        license: the terms of use that its corpora demand, in one line; empty if unknown.

    Examples:
        >>> import numpy as np
        >>> model = load_model("pcq-mini", vad=False)
        >>> noise = np.random.default_rng(0).normal(0, 0.1, 40_000).astype(np.float32)
        >>> prediction = model.predict(noise, sample_rate=16_000)
        >>> prediction.segments.select("start_s", "end_s").rows()
        [(0.0, 2.5)]
        >>> round(sum(prediction.probabilities.values()), 6)
        1.0
    """

    def __init__(
        self, predictor: SegmentPredictor, settings: LabelSettings, profile: BatchProfile | None = None
    ) -> None:
        config = predictor.config
        self.name = config.name
        self.labels = config.labels
        self.trained_on = config.trained_on
        self.license = config.license
        provenance = settings.provenance(config, predictor.sha256)
        self._task = Labelling(predictor, settings, provenance, profile=profile)

    def predict(
        self, recording: StrPath | NDArray[np.floating[Any]] | torch.Tensor, sample_rate: int | None = None
    ) -> Prediction:
        """Predict the emotions of a recording.

        Args:
            recording: a path, or samples ``(n,)`` or ``(n, channels)`` between -1 and 1.
            sample_rate: of the samples, in Hz; not for a path.

        Raises:
            AudioError: if the recording cannot be read.
            SettingsError: if the samples are not finite floats of that shape, or lack a sample rate.
            ModelError: if the model's output is not finite.
        """
        if isinstance(recording, str | os.PathLike):
            if sample_rate is not None:
                raise SettingsError("a file states its own sample rate", "Leave sample_rate out.")
            return self._predict(as_path(recording))
        samples = _checked_samples(recording, self._task.settings.limits.max_channels)
        if sample_rate is None or not 1 <= sample_rate < 2**31 or sample_rate != int(sample_rate):
            raise SettingsError("samples need their sample_rate in whole Hz", "Pass sample_rate=16000, for example.")
        import soundfile

        with tempfile.TemporaryDirectory(prefix="pcqtool-") as folder:
            path = Path(folder, "samples.wav")  # read like any other recording, with the same rules for channels
            soundfile.write(path, samples, int(sample_rate), "FLOAT", format="RF64")
            return self._predict(path)

    def _predict(self, path: Path) -> Prediction:
        import polars as pl
        import pyarrow as pa

        sources = find_sources([path])
        if len(sources) != 1 or path.is_dir():
            raise SettingsError(f"{path} is not one recording", "For several, use pcqtool.label.")
        (source,) = sources
        read = open_source(source, self._task.settings)
        queue = RowQueue(self._task, self.name)
        segments, is_last = [], False
        with closing(Batcher(self._task)) as batcher:
            while not is_last:
                piece = read()
                if piece.failure is not None:
                    raise AudioError(f"{path}: {piece.failure.reason}")
                queue.add(piece, batcher)
                segments += queue.take_segments()
                is_last = piece.is_last
            batcher.finish()
        segments += queue.take_segments()
        files = pa.Table.from_pylist(queue.files, self._task.schema("files"))
        table = pa.Table.from_pylist(segments, self._task.schema("segments"))
        return Prediction(pl.DataFrame(pl.from_arrow(files)), pl.DataFrame(pl.from_arrow(table)), self.labels)


def _checked_samples(given: Any, max_channels: int) -> NDArray[np.float32]:
    """Return samples as float32 ``(n,)`` or ``(n, channels)``."""
    torch: Any = sys.modules.get("torch")  # a tensor is only there if it is loaded
    if torch is not None and isinstance(given, torch.Tensor):
        given = given.detach().cpu()
        given = given.float() if given.is_floating_point() else given
    samples = np.asarray(given)
    if samples.ndim not in (1, 2) or samples.dtype.kind != "f":
        raise SettingsError(
            f"samples must be finite floats (n,) or (n, channels), not {samples.dtype} of shape {samples.shape}",
            "Divide int16 samples by 32768." if samples.dtype.kind == "i" else "",
        )
    if samples.ndim == 2 and not 1 <= samples.shape[1] <= max_channels:
        raise SettingsError(
            f"samples of shape {samples.shape} have {samples.shape[1]} channels", "Transpose (channels, n) with .T."
        )
    if not (np.abs(samples) < _MAX_AMPLITUDE).all():  # nor is NaN
        raise SettingsError("samples must be finite floats, usually between -1 and 1")
    return samples.astype(np.float32)


def load_model(
    model: StrPath | None = None,
    *,
    encoder_dir: Sequence[StrPath] | None = None,
    device: str = "auto",
    profile: StrPath | BatchProfile | None = None,
    **options: Unpack[LabelOptions],
) -> Model:
    """Load a model once, to predict for many recordings.

    Args:
        model: name of a bundled model, or a model directory; None for the bundled default.
        encoder_dir: where to look for an encoder that the model refers to.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.
        profile: what inputs are standardised by: a profile that ``pcqtool.profile`` has measured on recordings like
            those to come, or its file; None for the training data's own statistics.
        **options: those of ``pcqtool.label`` that concern single recordings: ``channels``, ``vad``, ``aggregation``,
            ``min_confidence``, ``precision``, ``batch_size``, ``max_duration_s`` and so on.

    Raises:
        SettingsError: if the model does not exist, or an option is not valid.
        ModelError: if the model or its encoder is missing or damaged.
        ProfileError: if the profile is missing, damaged, or was measured for another model.
    """
    settings, _ = split_options(options, LabelSettings)
    encoders, n_samples = search_path(encoder_dir, download=model is not None), settings.reader_options.n_samples
    predictor, *_ = load_predictors(find(model), device, encoders, n_samples, settings.precision, settings.runtime)
    given = None if profile is None else open_profile(profile, predictor.config, predictor.sha256)[0]
    return Model(predictor, replace(settings, timeout_s=0.0), given)  # decoded in this process
