"""What is compared: this tool, and what one would use instead, over the same files on the same machine."""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pcqtool.batch.output import RunOutput
from pcqtool.batch.plan import make_plan
from pcqtool.batch.run import run
from pcqtool.bench.marks import mark
from pcqtool.bench.rounds import Contender
from pcqtool.bench.sample import Sample, Waves
from pcqtool.bench.swap import swapped
from pcqtool.labelling.settings import LabelSettings
from pcqtool.labelling.task import SCHEMAS, Labelling
from pcqtool.model.predictor import Predictor

PLAIN_LOOP = "plain loop, float32"
VAD_OFF = "pcqtool, VAD off"


def pcqtool_end_to_end(sample: Sample, predictor: Predictor, settings: LabelSettings) -> dict[str, Contender]:
    """Label recordings, from decode to both Parquet tables, without and with voice activity detection."""
    without = replace(settings, reading=replace(settings.reading, vad=False))
    return {VAD_OFF: _labelling(sample, predictor, without), "pcqtool, VAD on": _labelling(sample, predictor, settings)}


def plain(sample: Sample, predictor: Predictor, batch_size: int) -> dict[str, Contender]:
    """Judge segments with transformers' own encoder, as a loop around it would, and in batches, as its pipeline."""

    def judging(size: int) -> Contender:
        return Contender(lambda: judge(Sample.of(sample.sources).segments, predictor, size), sample.audio_s)

    return {PLAIN_LOOP: judging(1), "plain batches, float32": judging(batch_size)}


def opensmile_functionals(sample: Sample) -> Mapping[str, Contender]:
    """Compute openSMILE's ComParE 2016 functionals of each file, where it is installed."""
    if importlib.util.find_spec("opensmile") is None:
        return {}
    import opensmile

    smile = opensmile.Smile(
        feature_set=opensmile.FeatureSet.ComParE_2016, feature_level=opensmile.FeatureLevel.Functionals
    )
    paths = [str(source.path) for source in sample.sources]
    return {"openSMILE ComParE functionals": Contender(lambda: smile.process_files(paths), sample.audio_s)}


def judge(segments: Waves, predictor: Predictor, batch_size: int) -> NDArray[np.float64]:
    """Give the log-probabilities ``(S, L)`` of segments, in batches."""
    starts = range(0, len(segments), batch_size)
    return np.concatenate([predictor.log_probs(segments[start : start + batch_size]) for start in starts])


def plain_predictor(directory: Path, device: str) -> Predictor:
    """Load a model without any of the quicker ways."""
    from pcqtool.model.encoders import base, pretrained

    with swapped(pretrained.PretrainedEncoder, "optimise_for_inference", base.Encoder.optimise_for_inference):
        return Predictor(directory, device)


def _labelling(sample: Sample, predictor: Predictor, settings: LabelSettings) -> Contender:
    provenance = settings.provenance(predictor.config, predictor.sha256)
    columns = {kind: schema(provenance.labels).names for kind, schema in SCHEMAS.items()}

    def label() -> None:
        with tempfile.TemporaryDirectory() as folder:
            store = RunOutput(Path(folder) / "results.parquet", provenance, columns)
            run(make_plan(sample.sources, {}), store, Labelling(predictor, settings, provenance))

    return Contender(lambda: mark(predictor, label), sample.audio_s)
