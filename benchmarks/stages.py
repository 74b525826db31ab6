"""Speed of each stage alone: decoding, resampling, VAD, the network's parts on a filled batch, and writing."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.sample import Sample, Waves
from pcqtool.audio.resample import resample
from pcqtool.audio.segment import SAMPLE_RATE
from pcqtool.audio.vad import VoiceActivityDetector
from pcqtool.model.encoders import PretrainedEncoder
from pcqtool.model.graph.runtime import HINTS, compile_graph, core
from pcqtool.model.graph_predictor import GraphPredictor
from pcqtool.model.pcq import PCQ
from pcqtool.model.predictor import Predictor

MIN_S = 1.0
"""Shortest time of a measurement; short work is repeated until it takes as long."""

SIZES: Mapping[str, tuple[int, ...]] = {"cpu": (1024, 2048), "cuda": (4096, 8192, 16384)}
"""Sizes of the square matrices whose product is the ceiling, by device."""

HIGH_RATE = 44100


@dataclass(frozen=True)
class Part:
    """A part of the network, or the whole network.

    Attributes:
        segment_s: seconds for one segment, in batches.
        flops: floating point operations for one segment, matrix products and convolutions alone.
        precision: data type of the computation.
        ceiling: rate of the best matrix product in that precision, in FLOP/s.
    """

    segment_s: float
    flops: int
    precision: str
    ceiling: float

    @property
    def rate(self) -> float:
        """Rate in FLOP/s."""
        return self.flops / self.segment_s

    @property
    def share(self) -> float:
        """Share of the ceiling."""
        return self.rate / self.ceiling


def stages_s(sample: Sample, parts: Mapping[str, Part]) -> dict[str, float]:
    """Return the seconds that each stage takes for the recordings, the network's parts among them.

    Decoding, resampling, VAD and writing are measured in one thread.
    """
    segments = sample.segments
    high = np.zeros((segments.size * HIGH_RATE // SAMPLE_RATE, 1), np.float32)
    named = {name: part.segment_s * len(segments) for name, part in parts.items() if not name.startswith("whole")}
    _write(1)  # warm-up
    return {
        "decode": _time_s(lambda: Sample.of(sample.sources)),
        "resample (from 44.1 kHz)": _time_s(lambda: list(resample(np.array_split(high, 64), HIGH_RATE, 1))),
        "VAD": _time_s(lambda: _detect(segments)),
        **named,
        "CSQ + head": max(0.0, parts["whole"].segment_s * len(segments) - sum(named.values())),
        "write": _time_s(lambda: _write(len(segments))),
    }


class Work(NamedTuple):
    """A computation of the network that is measured alone.

    Attributes:
        compute: the function.
        x: its input, a full batch on the device.
        precision: data type of the computation.
    """

    compute: Callable[[Tensor], object]
    x: Tensor
    precision: str


def works(segments: Waves, predictor: Predictor, batch_size: int, network: PCQ | None = None) -> dict[str, Work]:
    """Return the parts of a network, by default the predictor's, and the whole, each with its full batch of input."""
    model = predictor.model if network is None else network
    waves = torch.from_numpy(fill(segments, batch_size)).to(predictor.device)
    if not isinstance(model, PCQ):
        return {"whole": Work(model, waves, "float32")}
    statistics = model.standardisation.statistics() if model.config.profile_s else None  # once, as a predictor does

    def spectrogram(x: Tensor) -> Tensor:
        return model.normalise(model.log_spectrogram(x), statistics)

    with torch.inference_mode():
        level = spectrogram(waves).contiguous(memory_format=torch.channels_last)
    found = {"spectrogram": Work(spectrogram, waves, "float32")}
    if model.mlcnn is not None:
        found["MLCNN"] = Work(model.mlcnn, level, "float32")
    precision = "float32"
    if model.encoder is not None:
        precision = weights_precision(model.encoder)
        found["encoder"] = Work(lambda x: model.encoder_frames(model.encoder_input(x), statistics), waves, precision)
    return found | {"whole": Work(lambda x: model(x, None, statistics), waves, precision)}


def measure_parts(segments: Waves, predictor: Predictor, batch_size: int) -> dict[str, Part]:
    """Measure the parts of a warm network: the encoder in its precision, the rest in float32.

    The part of ``whole`` that the other parts do not cover is CSQ, the attention over time and the classifier.
    """
    device, found = predictor.device, works(segments, predictor, batch_size)
    ceilings = {name: matrix_ceiling(device, name) for name in {work.precision for work in found.values()}}
    counted = works(segments, predictor, 1, _in_torch(predictor.model) if isinstance(predictor.model, PCQ) else None)
    return {
        name: Part(
            batch_s(work.compute, work.x, device) / batch_size,
            count_flops(counted[name].compute, counted[name].x),
            work.precision,
            ceilings[work.precision],
        )
        for name, work in found.items()
    }


def measure_graph(segments: Waves, predictor: GraphPredictor, batch_size: int, whole: Part) -> Part:
    """Measure the whole network as OpenVINO computes it, its spectra included."""
    waves = fill(segments, batch_size)
    predictor.log_probs(waves)
    seconds = statistics.median(_time_s(lambda: predictor.log_probs(waves)) for _ in range(5))
    return Part(
        seconds / batch_size, whole.flops, predictor.precision, matrix_ceiling(torch.device("cpu"), predictor.precision)
    )


def warm_up(
    directory: Path, device: str, precision: str, segments: Waves, batch_size: int
) -> tuple[Predictor, dict[str, float]]:
    """Return a predictor that is warm, and the seconds of loading it and of its first batches beside later ones."""
    started_s = time.perf_counter()
    predictor = Predictor(directory, device, precision=precision)
    times_s = {"loading the model": time.perf_counter() - started_s}
    batch = fill(segments, batch_size)
    for name, waves in (
        ("the first batch", batch),
        ("a later one", batch),
        ("the first single segment", batch[:1]),
        ("a later single one", batch[:1]),
    ):
        times_s[name] = _time_s(lambda waves=waves: predictor.log_probs(waves))  # type: ignore[misc]
    return predictor, times_s


def fill(segments: Waves, batch_size: int) -> Waves:
    """Return a full batch ``(B, N)`` of segments, repeated where there are too few."""
    return segments[np.arange(batch_size) % len(segments)]


def count_flops(work: Callable[[Tensor], object], x: Tensor) -> int:
    """Count the operations of the matrix products and convolutions of some work."""
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.nn.utils import parametrize
    from torch.utils.flop_counter import FlopCounterMode

    with torch.inference_mode(), parametrize.cached():
        work(x)  # parametrised weights must exist before: computing them under the counter would add to the count
        with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:  # it misses the CPU's attention
            work(x)
    return int(counter.get_total_flops())


def matrix_ceiling(device: torch.device, precision: str, sizes: tuple[int, ...] | None = None) -> float:
    """Measure the best rate of a product of square matrices, by torch or on a processor by OpenVINO, in FLOP/s."""
    rates = []
    for size in sizes or SIZES.get(device.type, SIZES["cpu"]):
        matrix = torch.randn(size, size, device=device, dtype=getattr(torch, precision))
        rates.append(2.0 * float(size) ** 3 / min(times_s(lambda m=matrix: m @ m, device)))  # type: ignore[misc]
        if device.type == "cpu" and precision in HINTS:
            rates.append(_graph_ceiling(size, precision))
    return max(rates)


def _graph_ceiling(size: int, precision: str) -> float:
    """Measure products by constant matrices, one after another, in a stream for each thread."""
    core()
    import openvino
    from openvino import opset15 as ops

    n_products, n_streams = 8, torch.get_num_threads()
    first = product = ops.parameter([size, size], np.float32)
    weight = ops.constant(np.random.default_rng(0).normal(0.0, size**-0.5, (size, size)).astype(np.float32))
    for _ in range(n_products):
        product = ops.matmul(product, weight, transpose_a=False, transpose_b=True)
    compiled = compile_graph(openvino.Model([product], [first]), n_streams, precision)
    queue, x = openvino.AsyncInferQueue(compiled, n_streams), np.ones((size, size), np.float32)

    def compute() -> None:
        for _ in range(n_streams):
            queue.start_async([x])
        queue.wait_all()

    compute()
    return 2.0 * float(size) ** 3 * n_products * n_streams / min(times_s(compute, torch.device("cpu")))


def _in_torch(model: PCQ) -> PCQ:
    """Return a network whose operations torch counts: if OpenVINO computes its encoder, one with other weights."""
    compiled = isinstance(model.encoder, PretrainedEncoder) and model.encoder.compiled is not None
    return PCQ(model.config).eval() if compiled else model


def weights_precision(encoder: nn.Module) -> str:
    """Return the data type of an encoder's computation, which is that of most of its weights."""
    if isinstance(encoder, PretrainedEncoder) and encoder.compiled is not None:
        return str(encoder.compiled.dtype).removeprefix("torch.")
    n_weights: Counter[torch.dtype] = Counter()
    for weight in encoder.parameters():
        n_weights[weight.dtype] += weight.numel()
    return str(n_weights.most_common(1)[0][0]).removeprefix("torch.")


def batch_s(work: Callable[[Tensor], object], x: Tensor, device: torch.device) -> float:
    """Return the median time of some work on a batch, in seconds."""
    with torch.inference_mode():
        if device.type == "cuda":
            work(x)  # a batch of another size chooses its kernels, and takes its memory, when it comes first
        return statistics.median(times_s(lambda: work(x), device))


def times_s(work: Callable[[], object], device: torch.device) -> list[float]:
    """Return the times of some work, repeated until it has taken ``MIN_S``."""
    taken_s: list[float] = []
    synchronize(device)
    while sum(taken_s) < MIN_S:
        started_s = time.perf_counter()
        work()
        synchronize(device)
        taken_s.append(time.perf_counter() - started_s)
    return taken_s


def synchronize(device: torch.device) -> None:
    """Wait until a GPU has computed what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _time_s(work: Callable[[], object]) -> float:
    started_s = time.perf_counter()
    work()
    return time.perf_counter() - started_s


def _detect(segments: Waves) -> None:
    activity = VoiceActivityDetector()
    for wave in segments:
        activity.push(wave)
    activity.flush()


def _write(n: int) -> None:
    import pyarrow as pa

    from pcqtool.tables.provenance import Provenance
    from pcqtool.tables.schema import segments_schema
    from pcqtool.tables.writer import write

    labels = ("anger", "neutral")
    provenance = Provenance(model="benchmark", model_sha256="", labels=labels, fingerprint="", aggregation="mean")
    rows = [
        {"file": "a.wav", "channel": "0", "segment": i, "start_s": 3.0 * i, "end_s": 3.0 * i + 3, "padded": False}
        for i in range(n)
    ]
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder) / "t.parquet", pa.Table.from_pylist(rows, segments_schema(labels)), provenance)
