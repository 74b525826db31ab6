"""pcqtool itself, from decoding to both Parquet tables; the kind is ``off`` or ``on``, voice activity detection."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from benchmarks.labelling_run import label_once
from benchmarks.peers.programs import Loaded
from pcqtool.batch.names import find_sources
from pcqtool.labelling.settings import LabelSettings
from pcqtool.model.directory import find
from pcqtool.model.encoder_search import EncoderSearchPath
from pcqtool.model.predictors import load_predictors

MODEL = "pcq-mini"


def load(kind: str, folder: Path, n_cores: int) -> Loaded:
    """Load the bundled model as ``pcqtool label`` does."""
    settings = LabelSettings(jobs=n_cores)
    settings = replace(settings, reader_options=replace(settings.reader_options, vad=kind == "on"))
    (predictor,) = load_predictors(find(MODEL), "cpu", EncoderSearchPath(), settings.reader_options.n_samples)
    return Loaded(
        lambda paths: label_once(find_sources([Path(path) for path in paths]), predictor, settings),
        ("pcqtool", "openvino"),
    )
