"""The benchmark of labelling: stages, the network's parts, and systems in turn."""

from __future__ import annotations

import resource
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from joblib import cpu_count

from benchmarks.agreement import N_COMPARED, agreement
from benchmarks.baselines import opensmile_systems, plain_predictor, plain_systems
from benchmarks.end_to_end import Outcome, pcqtool_systems, run_in_turn
from benchmarks.sample import Sample
from benchmarks.stages import Part, measure_graph, measure_parts, stages_s, warm_up
from pcqtool.labelling.settings import LabelSettings
from pcqtool.model.device import choose_device, default_batch_size
from pcqtool.model.encoder_search import EncoderSearchPath
from pcqtool.model.graph_predictor import GraphPredictor, has_graph
from pcqtool.model.predictor import Predictor
from pcqtool.model.predictors import NUMBER_FORMATS, PRECISIONS, load_predictors
from pcqtool.model.segment_predictor import SegmentPredictor

GPU_HOURS = 20.0
"""Hours of audio that a GPU labels end to end: seven seconds at 10,000 times real time."""


@dataclass(frozen=True)
class Result:
    """Result of a benchmark.

    Attributes:
        about: machine, model and settings.
        on_gpu: whether the network ran on a GPU.
        audio_s: length of the recordings; pcqtool's own runs may go over them more than once.
        warm_up_s: seconds of loading the model, and of its first and later batches.
        stages_s: seconds of each stage alone, the network's parts among them.
        parts: the parts of the network.
        end_to_end: outcome of each system.
        agreement: agreement of the labels with those of a plain network in float32 on the CPU.
        peak_mb: peak memory of the process, and of the device if it is a GPU.
    """

    about: Mapping[str, Any]
    on_gpu: bool
    audio_s: float
    warm_up_s: Mapping[str, float]
    stages_s: Mapping[str, float]
    parts: Mapping[str, Part]
    end_to_end: Mapping[str, Outcome]
    agreement: Mapping[str, float]
    peak_mb: Mapping[str, float]


@dataclass(frozen=True)
class Scope:
    """How much is measured.

    Attributes:
        repetitions: runs of each system, all systems in turn.
        hours: hours of audio that pcqtool labels in a run, the same recordings repeated; ``None`` for 20 hours on a
            GPU, or the recordings once on a CPU.
        plain: whether to compare with plain loops around the same network.
    """

    repetitions: int = 3
    hours: float | None = None
    plain: bool = False


def run_benchmark(sample: Sample, model: Path, device: str, settings: LabelSettings, scope: Scope) -> Result:
    """Measure; every system has ``settings.n_jobs`` workers, and the cores that ``on_cores`` left to this process.

    Args:
        sample: the recordings.
        model: the model's directory.
        device: as for ``Predictor``.
        settings: how to label; pcqtool runs with and without voice activity detection.
        scope: how much is measured.
    """
    size, workers = settings.batch_size or default_batch_size(choose_device(device)), settings.n_jobs
    with opensmile_systems(sample, workers) as opensmile:
        number_format = NUMBER_FORMATS[0] if settings.precision == PRECISIONS[0] else settings.precision
        predictor, warm_up_s = warm_up(model, device, number_format, sample.segments, size)
        on_gpu = predictor.device.type == "cuda"
        parts = measure_parts(sample.segments, predictor, size)
        hours = (GPU_HOURS if on_gpu else 0.0) if scope.hours is None else scope.hours
        long = sample.repeated(hours)
        labels = _usual_predictor(predictor, model, device, settings)
        if isinstance(labels, GraphPredictor):
            parts["whole, OpenVINO"] = measure_graph(sample.segments, labels, size, parts["whole"])
        plain = plain_systems(sample, plain_predictor(model, device), size, workers) if scope.plain else {}
        return Result(
            about=_about(predictor, settings, size, sample, long),
            on_gpu=on_gpu,
            audio_s=sample.audio_s,
            warm_up_s=warm_up_s,
            stages_s=stages_s(sample, parts),
            parts=parts,
            end_to_end=run_in_turn(pcqtool_systems(long, labels, settings) | plain | opensmile, scope.repetitions),
            agreement=agreement(sample.some(N_COMPARED), labels, size, plain_predictor(model, "cpu")),
            peak_mb=_peak(predictor.device),
        )


def _usual_predictor(predictor: Predictor, model: Path, device: str, settings: LabelSettings) -> SegmentPredictor:
    """Return what ``label`` computes the model with: torch's predictor, or a graph in its place."""
    config, n_samples = predictor.config, settings.reader_options.n_samples
    if predictor.device.type != "cpu" or not has_graph(config, n_samples):
        return predictor
    return load_predictors(model, "cpu", EncoderSearchPath(), n_samples, settings.precision, settings.runtime)[0]


def _peak(device: torch.device) -> dict[str, float]:
    peak = {"process": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}
    if device.type == "cuda":
        peak["GPU"] = torch.cuda.max_memory_allocated(device) / 2**20
    return peak


def _about(predictor: Predictor, settings: LabelSettings, size: int, sample: Sample, long: Sample) -> dict[str, Any]:
    on_gpu = predictor.device.type == "cuda"
    return {
        "model": predictor.config.name,
        "precision": settings.precision,
        "device": torch.cuda.get_device_name(predictor.device) if on_gpu else "CPU",
        "batch size": size,
        "cores": int(cpu_count()),
        "vector units": torch.backends.cpu.get_cpu_capability(),
        "threads of the network": torch.get_num_threads(),
        "decoding jobs": settings.n_jobs,
        "files": len(sample.sources),
        "segments": len(sample.segments),
        "hours labelled in a run of pcqtool": round(long.audio_s / 3600.0, 2),
        "torch": torch.__version__,
    }
