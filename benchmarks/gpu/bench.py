"""The device, sizes, recordings and models that the steps share."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu.journal import Journal
from benchmarks.gpu.recordings import make_recordings
from benchmarks.random_model import random_model
from benchmarks.sample import Sample
from benchmarks.stages import SIZES
from pcqtool.batch.names import find_sources
from pcqtool.model.directory import find
from pcqtool.model.encoders import EncoderConfig
from pcqtool.model.predictor import Predictor
from pcqtool.model.predictors import NUMBER_FORMATS

MINI, LARGE = "pcq-mini", "WavLM-base, random weights"
HALF = "float16"
PRECISIONS: Mapping[str, tuple[str, ...]] = {MINI: NUMBER_FORMATS[:1], LARGE: (*NUMBER_FORMATS, HALF)}
"""Precisions that are measured, by model; ``label`` does not offer float16, which is converted alike."""


@dataclass(frozen=True)
class Scale:
    """How much is measured.

    Attributes:
        calls: number of long recordings, and their shortest and longest length in seconds.
        utterances: the same of short ones.
        encoder: architecture of the large model's encoder.
        batch_sizes: of the rates.
        batch_size: of everything else.
        matrices: sizes of the square matrices whose product is the ceiling; none for the device's usual ones.
        min_s: shortest time of a measurement.
        n_compared: segments of which labels are compared, by model.
        jobs: numbers of decoders.
        decode_s: seconds of decoding that are measured.
        run_s: seconds that a run from files to tables should take, and the most hours of audio in it.
        max_hours: as above.
        compiler: backend of ``torch.compile``.
        resample_s: seconds of audio that are resampled at once.
    """

    calls: tuple[int, tuple[float, float]] = (32, (30.0, 120.0))
    utterances: tuple[int, tuple[float, float]] = (240, (2.0, 5.0))
    encoder: Mapping[str, Any] = field(default_factory=dict)
    batch_sizes: tuple[int, ...] = (32, 64, 128, 256, 512, 1024)
    batch_size: int = 256
    matrices: tuple[int, ...] = SIZES["cuda"]
    min_s: float = 0.3
    n_compared: Mapping[str, int] = field(default_factory=lambda: {MINI: 200, LARGE: 64})
    jobs: tuple[int, ...] = (1, 2, 4, 8, 16)
    decode_s: float = 1.5
    run_s: float = 7.0
    max_hours: float = 20.0
    compiler: str = "inductor"
    resample_s: float = 600.0


FULL = Scale()

REHEARSAL = Scale(
    calls=(2, (6.0, 9.0)),
    utterances=(4, (1.0, 2.0)),
    encoder={
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "conv_dim": [8] * 7,
        "num_conv_pos_embeddings": 16,
        "num_conv_pos_embedding_groups": 2,
    },
    batch_sizes=(1, 2),
    batch_size=2,
    matrices=(64,),
    min_s=0.001,
    n_compared={MINI: 2, LARGE: 4},
    jobs=(1,),
    decode_s=0.05,
    run_s=0.05,
    max_hours=0.001,
    compiler="eager",
    resample_s=2.0,
)
"""A few seconds on a CPU: what it measures is meaningless, but all code runs."""


class Bench:
    """A device, and all that is measured on it.

    Args:
        device: the device.
        scale: how much is measured.
        folder: where recordings and the large model are kept, also for another run.
        journal: figures that later steps build on.
    """

    def __init__(self, device: torch.device, scale: Scale, folder: Path, journal: Journal) -> None:
        self.device = device
        self.scale = scale
        self.folder = folder
        self.journal = journal
        self._predictors: dict[tuple[str, str], Predictor] = {}
        self._rejected: dict[tuple[str, str], str] = {}

    @cached_property
    def calls(self) -> Sample:
        """Long recordings."""
        return self._recordings("calls", *self.scale.calls)

    @cached_property
    def utterances(self) -> Sample:
        """Short recordings."""
        return self._recordings("utterances", *self.scale.utterances)

    def model(self, name: str) -> Path:
        """Return a model's directory; the large one is made first."""
        if name == MINI:
            return find(MINI)
        directory, unfinished = self.folder / "random-wavlm", self.folder / "random-wavlm.unfinished"
        if not directory.exists():
            shutil.rmtree(unfinished, ignore_errors=True)
            random_model(unfinished, EncoderConfig("wavlm", self.scale.encoder), self.calls).rename(directory)
        return directory

    def predictor(self, name: str, precision: str) -> Predictor:
        """Return a model on the device."""
        key = name, precision
        if key not in self._predictors:
            with _warnings() as texts:
                self._predictors[key] = Predictor(self.model(name), self.device, precision=precision)
            self._rejected[key] = "; ".join(texts)
        return self._predictors[key]

    def rejected(self, name: str, precision: str) -> str:
        """Return the warnings of loading a model: what this device computes wrongly, and is not used."""
        self.predictor(name, precision)
        return self._rejected[name, precision]

    def ceiling(self, precision: str) -> float:
        """Return the rate of the best matrix product in FLOP/s, as measured before.

        Raises:
            LookupError: if it was not measured.
        """
        for figures in self.journal.figures("ceilings"):
            if figures["precision"] == precision and "GFLOP/s" in figures:
                return float(figures["GFLOP/s"]) * 1e9
        raise LookupError(f"the ceiling in {precision} was not measured")

    def _recordings(self, name: str, n: int, seconds: tuple[float, float]) -> Sample:
        return Sample.of(find_sources([make_recordings(self.folder / name, n, seconds)]))


@contextmanager
def _warnings() -> Iterator[list[str]]:
    """Yield the warnings of loading a model, as they come."""
    texts: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: texts.append(record.getMessage())  # type: ignore[method-assign]
    log = logging.getLogger("pcqtool.model")
    log.addHandler(handler)
    try:
        yield texts
    finally:
        log.removeHandler(handler)
