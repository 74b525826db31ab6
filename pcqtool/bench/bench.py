"""A benchmark: stages, the network's parts, contenders in turn, and what they say of each other."""

from __future__ import annotations

import resource
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from joblib import cpu_count

from pcqtool.bench import contenders
from pcqtool.bench.agreement import COMPARED, agreement
from pcqtool.bench.network import Part, measure_parts, warm_up
from pcqtool.bench.rounds import Contender, Outcome, in_turn
from pcqtool.bench.sample import GPU_HOURS, Sample
from pcqtool.bench.stages import time_stages
from pcqtool.labelling.settings import LabelSettings
from pcqtool.model.predictor import Predictor


@dataclass(frozen=True)
class Result:
    """What was measured.

    Attributes:
        about: machine, model and settings.
        on_gpu: whether the network ran on a GPU.
        audio_s: length of the recordings; this tool's own runs may go over them more than once.
        warm_up_s: seconds until the model is ready, and of its first and later batches.
        stages_s: seconds that each stage takes by itself, the network's among them.
        parts: of the network.
        end_to_end: how each contender did.
        agreement: of the labels with those of a plain network in float32 on the CPU.
        peak_mb: the process's peak of memory, of the device too where it is a GPU.
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
        rounds: how often each contender runs, all of them in turn.
        hours: of audio that this tool labels in a run, the same recordings over and over; ``None`` for what keeps a
            GPU at work, or the recordings once on a CPU.
        peers: whether to compare with plain loops around the same network.
    """

    rounds: int = 3
    hours: float | None = None
    peers: bool = False


def bench(sample: Sample, model: Path, device: str, settings: LabelSettings, scope: Scope) -> Result:
    """Measure.

    Args:
        sample: the recordings.
        model: its directory.
        device: as for ``Predictor``.
        settings: how to label; this tool runs with and without voice activity detection.
        scope: how much is measured.
    """
    size = settings.batch_size
    predictor, warm_up_s = warm_up(model, device, settings.precision, sample.segments, size)
    on_gpu = predictor.device.type == "cuda"
    parts = measure_parts(sample.segments, predictor, size)
    hours = (GPU_HOURS if on_gpu else 0.0) if scope.hours is None else scope.hours
    long = sample.repeated(hours)
    rivals: dict[str, Contender] = contenders.pcqtool_end_to_end(long, predictor, settings)
    if scope.peers:
        rivals |= contenders.plain(sample, contenders.plain_predictor(model, device), size)
    rivals |= contenders.opensmile_functionals(sample)
    return Result(
        about=_about(predictor, settings, sample, long),
        on_gpu=on_gpu,
        audio_s=sample.audio_s,
        warm_up_s=warm_up_s,
        stages_s=_stages_s(sample, parts),
        parts=parts,
        end_to_end=in_turn(rivals, scope.rounds),
        agreement=agreement(sample.some(COMPARED), predictor, size, contenders.plain_predictor(model, "cpu")),
        peak_mb=_peak(predictor.device),
    )


def _stages_s(sample: Sample, parts: Mapping[str, Part]) -> dict[str, float]:
    n_segments = len(sample.segments)
    named = {name: part.segment_s * n_segments for name, part in parts.items() if name != "whole"}
    rest = max(0.0, parts["whole"].segment_s * n_segments - sum(named.values()))
    stages_s = time_stages(sample)
    write_s = stages_s.pop("write")
    return stages_s | named | {"CSQ + head": rest, "write": write_s}


def _peak(device: torch.device) -> dict[str, float]:
    peak = {"process": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}
    if device.type == "cuda":
        peak["GPU"] = torch.cuda.max_memory_allocated(device) / 2**20
    return peak


def _about(predictor: Predictor, settings: LabelSettings, sample: Sample, long: Sample) -> dict[str, Any]:
    on_gpu = predictor.device.type == "cuda"
    return {
        "model": predictor.config.name,
        "precision": settings.precision,
        "device": torch.cuda.get_device_name(predictor.device) if on_gpu else "CPU",
        "batch size": settings.batch_size,
        "cores": int(cpu_count()),
        "vector units": torch.backends.cpu.get_cpu_capability(),
        "threads of the network": torch.get_num_threads(),
        "decoding jobs": settings.n_jobs,
        "files": len(sample.sources),
        "segments": len(sample.segments),
        "hours labelled in a run of pcqtool": round(long.audio_s / 3600.0, 2),
        "torch": torch.__version__,
    }
