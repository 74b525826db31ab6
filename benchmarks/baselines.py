"""Baselines that pcqtool is compared with: plain loops around the same network, and openSMILE."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from benchmarks import functionals
from benchmarks.end_to_end import System
from benchmarks.sample import Sample, Waves
from pcqtool.model.predictor import Predictor
from pcqtool.model.segment_predictor import SegmentPredictor

PLAIN_LOOP = "plain loop, float32"
OPENSMILE = "openSMILE ComParE functionals"
N_FILES = 8
"""Files that an openSMILE worker takes at a time: few, so that all workers end at about the same time."""


def plain_systems(sample: Sample, predictor: Predictor, batch_size: int, workers: int) -> dict[str, System]:
    """Return transformers' own encoder in a loop over segments, and in batches, as transformers' pipeline does."""

    def predicting(size: int) -> System:
        return System(lambda: predict(Sample.of(sample.sources).segments, predictor, size), sample.audio_s, workers)

    return {PLAIN_LOOP: predicting(1), "plain batches, float32": predicting(batch_size)}


@contextmanager
def opensmile_systems(sample: Sample, workers: int) -> Iterator[dict[str, System]]:
    """Yield openSMILE's ComParE 2016 functionals of each file, or nothing where openSMILE is not installed.

    openSMILE's own ``num_workers`` starts its processes again at each call. The pool here stays, as the decoders of
    pcqtool do, so that starting counts for neither.
    """
    if find_spec("opensmile") is None:
        yield {}
        return
    paths = [str(source.path) for source in sample.sources]
    batches = [paths[start : start + N_FILES] for start in range(0, len(paths), N_FILES)]
    with ProcessPoolExecutor(workers, get_context("spawn"), functionals.load) as pool:
        yield {OPENSMILE: System(lambda: list(pool.map(functionals.extract, batches)), sample.audio_s, workers)}


def predict(segments: Waves, predictor: SegmentPredictor, batch_size: int) -> NDArray[np.float64]:
    """Return the log-probabilities ``(S, L)`` of segments, computed in batches."""
    starts = range(0, len(segments), batch_size)
    return np.concatenate([predictor.log_probs(segments[start : start + batch_size]) for start in starts])


def plain_predictor(directory: Path, device: str) -> Predictor:
    """Load a model without its optimisations for inference."""
    from pcqtool.model.encoders import base, pretrained

    with patch.object(pretrained.PretrainedEncoder, "optimise_for_inference", base.Encoder.optimise_for_inference):
        return Predictor(directory, device)
