"""What is compared: this tool, and what one would use instead, over the same files on the same machine."""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from pcqtool.audio.discover import Source
from pcqtool.audio.tracks import Reading
from pcqtool.batch.plan import make_plan
from pcqtool.batch.run import run
from pcqtool.batch.store import Store
from pcqtool.bench.stages import judge, load_segments
from pcqtool.labelling.settings import LabelSettings
from pcqtool.labelling.work import SCHEMAS, Labelling
from pcqtool.model.predictor import Predictor

Contender = Callable[[], object]


def pcqtool_end_to_end(sources: Sequence[Source], predictor: Predictor, settings: LabelSettings) -> Contender:
    """Label recordings, from decode to both Parquet tables."""

    def label() -> None:
        provenance = settings.provenance(predictor.config, predictor.sha256)
        columns = {kind: schema(provenance.labels).names for kind, schema in SCHEMAS.items()}
        with tempfile.TemporaryDirectory() as folder:
            store = Store(Path(folder) / "results.parquet", provenance, columns)
            run(make_plan(sources, {}), store, Labelling(predictor, settings, provenance))

    return label


def opensmile_functionals(sources: Sequence[Source]) -> Contender | None:
    """Compute openSMILE's ComParE 2016 functionals of each file; ``None`` where it is not installed."""
    if importlib.util.find_spec("opensmile") is None:
        return None
    import opensmile

    smile = opensmile.Smile(
        feature_set=opensmile.FeatureSet.ComParE_2016, feature_level=opensmile.FeatureLevel.Functionals
    )
    return lambda: smile.process_files([str(source.path) for source in sources])


def plain_loop(sources: Sequence[Source], plain: Predictor) -> Callable[[], NDArray[np.float64]]:
    """Judge each segment by itself with transformers' own encoder in float32, as a loop around it would."""
    return lambda: judge(load_segments([source.path for source in sources]), plain, 1)


def plain_batches(sources: Sequence[Source], plain: Predictor, batch_size: int) -> Callable[[], NDArray[np.float64]]:
    """Judge segments in batches with transformers' own encoder in float32, as its pipeline would."""
    return lambda: judge(load_segments([source.path for source in sources]), plain, batch_size)


def plain_predictor(directory: Path, device: str) -> Predictor:
    """Load a model without any of the quicker ways."""
    from pcqtool.model.encoders import base, pretrained

    prepare = pretrained.PretrainedEncoder.prepare
    pretrained.PretrainedEncoder.prepare = base.Encoder.prepare  # type: ignore[method-assign]
    try:
        return Predictor(directory, device)
    finally:
        pretrained.PretrainedEncoder.prepare = prepare  # type: ignore[method-assign]


def random_model(directory: Path, kind: str, labels: tuple[str, ...] = ("anger", "happiness", "neutral")) -> Path:
    """Write a model of full size around an encoder of transformers' default size, all with random weights."""
    from pcqtool.model.directory import ModelConfig, describe, save
    from pcqtool.model.encoders import EncoderConfig
    from pcqtool.model.pcq import PCQ, PCQConfig

    torch.manual_seed(0)
    network = PCQConfig(labels=labels, encoder=EncoderConfig(kind))
    model = PCQ(network).eval()
    save(directory, ModelConfig(f"random-{kind}", labels, describe(network)), model, {}, "Random weights.")
    return directory


def without_vad(settings: LabelSettings) -> LabelSettings:
    """Give the same settings without voice activity detection."""
    return replace(settings, reading=Reading(settings.reading.channels, vad=False))
