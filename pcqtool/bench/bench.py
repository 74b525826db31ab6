"""A benchmark: stages, contenders in turn, and what they say of each other."""

from __future__ import annotations

import resource
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pcqtool.audio.discover import Source
from pcqtool.audio.segment import SAMPLE_RATE
from pcqtool.bench import contenders as made
from pcqtool.bench.stages import count_flops, judge, load_segments, matrix_ceiling, time_network, time_stages
from pcqtool.labelling.settings import LabelSettings
from pcqtool.model.predictor import Predictor


@dataclass(frozen=True)
class Result:
    """What was measured.

    Attributes:
        about: machine, model and settings.
        audio_s: length of the recordings, padding included.
        stages_s: seconds that each stage takes by itself.
        runs_s: seconds of each contender in each round.
        flops: operations a second of the network, as the share of the ceiling, and the ceiling itself.
        agreement: of the labels with those of the plain loop in float32.
        peak_mb: the process's peak of memory, of the device too where it is a GPU.
    """

    about: Mapping[str, Any]
    audio_s: float
    stages_s: Mapping[str, float]
    runs_s: Mapping[str, Sequence[float]]
    flops: Mapping[str, float]
    agreement: Mapping[str, float]
    peak_mb: Mapping[str, float]

    def times_real(self, name: str) -> float:
        """How many times real time a contender is, by the median of its rounds."""
        return self.audio_s / statistics.median(self.runs_s[name])


def bench(
    sources: Sequence[Source], directory: Path, device: str, settings: LabelSettings, rounds: int, peers: bool
) -> Result:
    """Measure.

    Args:
        sources: the recordings.
        directory: the model's.
        device: as for ``Predictor``.
        settings: how to label; what is compared runs with and without voice activity detection.
        rounds: how often each contender runs, all of them in turn.
        peers: whether to compare with plain loops around the same network.
    """
    paths = [source.path for source in sources]
    segments = load_segments(paths)
    predictor = Predictor(directory, device, precision=settings.precision)
    stages_s = time_stages(paths, predictor, settings.batch_size)
    ceiling = matrix_ceiling(predictor.device, settings.precision)
    network_s = sum(time_network(segments, predictor, settings.batch_size).values())
    rate = count_flops(segments, predictor) * len(segments) / network_s
    runners: dict[str, made.Contender] = {
        "pcqtool, VAD off": made.pcqtool_end_to_end(sources, predictor, made.without_vad(settings)),
        "pcqtool, VAD on": made.pcqtool_end_to_end(sources, predictor, settings),
    }
    agreement: dict[str, float] = {}
    if peers:
        plain = made.plain_predictor(directory, device)
        runners["plain loop, float32"] = made.plain_loop(sources, plain)
        runners["plain batches, float32"] = made.plain_batches(sources, plain, settings.batch_size)
        ours, theirs = judge(segments, predictor, settings.batch_size), judge(segments, plain, 1)
        agreement = {
            "labels equal": float((ours.argmax(1) == theirs.argmax(1)).mean()),
            "largest difference of a probability": float(np.abs(np.exp(ours) - np.exp(theirs)).max()),
            "different labels in all": float(len(set(theirs.argmax(1).tolist()))),
        }
    if smile := made.opensmile_functionals(sources):
        runners["openSMILE ComParE functionals"] = smile
    return Result(
        about=_about(predictor, settings, len(sources)),
        audio_s=_length_s(sources),
        stages_s=stages_s,
        runs_s=_in_turn(runners, rounds),
        flops={"network": rate, "ceiling": ceiling, "share": rate / ceiling},
        agreement=agreement,
        peak_mb=_peak(predictor.device),
    )


def _in_turn(runners: Mapping[str, made.Contender], rounds: int) -> dict[str, list[float]]:
    """Run all contenders in turn, so that what else the machine does hits all alike; a first round warms them."""
    runs_s: dict[str, list[float]] = {name: [] for name in runners}
    for number in range(rounds + 1):
        for name, runner in runners.items():
            started_s = time.perf_counter()
            runner()
            if number:
                runs_s[name].append(time.perf_counter() - started_s)
    return runs_s


def _length_s(sources: Sequence[Source]) -> float:
    from pcqtool.audio.tracks import probe

    return sum(probe(source.path)[0] or 0.0 for source in sources)


def _peak(device: torch.device) -> dict[str, float]:
    peak = {"process": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}
    if device.type == "cuda":
        peak["GPU"] = torch.cuda.max_memory_allocated(device) / 2**20
    return peak


def _about(predictor: Predictor, settings: LabelSettings, n_files: int) -> dict[str, Any]:
    on_gpu = predictor.device.type == "cuda"
    return {
        "device": torch.cuda.get_device_name(predictor.device) if on_gpu else "CPU",
        "threads": torch.get_num_threads(),
        "model": predictor.config.name,
        "precision": settings.precision,
        "batch size": settings.batch_size,
        "files": n_files,
        "torch": torch.__version__,
        "sample rate of the network": SAMPLE_RATE,
    }
