"""The network's parts, each by itself on a batch that lies on the device already, and what they leave of its speed."""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from pcqtool.bench.sample import Waves
from pcqtool.model.predictor import Predictor

LEAST_S = 1.0
"""What is short is measured over and over for so long."""

SIZES: Mapping[str, tuple[int, ...]] = {"cpu": (1024, 2048), "cuda": (4096, 8192, 16384)}


@dataclass(frozen=True)
class Part:
    """A part of the network, or all of it.

    Attributes:
        segment_s: seconds for one segment, in batches.
        flops: floating point operations for one segment, products and convolutions alone.
        precision: what it computes in.
        ceiling: rate of the best matrix product in that precision, in FLOP/s.
    """

    segment_s: float
    flops: int
    precision: str
    ceiling: float

    @property
    def rate(self) -> float:
        """FLOP/s."""
        return self.flops / self.segment_s

    @property
    def share(self) -> float:
        """Of the ceiling."""
        return self.rate / self.ceiling


def measure_parts(segments: Waves, predictor: Predictor, batch_size: int) -> dict[str, Part]:
    """Measure a network that is warm, the encoder in its precision and the rest in float32, as it computes them.

    What of ``whole`` is in none of the other parts is CSQ, the attention over time and the classifier.
    """
    model, device, precision = predictor.model, predictor.device, "float32"
    waves = torch.from_numpy(fill(segments, batch_size)).to(device)
    with torch.inference_mode():
        level = model.normalised_spectrogram(waves).contiguous(memory_format=torch.channels_last)
    works: dict[str, tuple[Callable[[Tensor], object], Tensor, str]] = {
        "spectrogram": (model.normalised_spectrogram, waves, "float32")
    }
    if model.mlcnn is not None:
        works["MLCNN"] = model.mlcnn, level, "float32"
    if model.encoder is not None:
        precision = _precision(model.encoder)
        works["encoder"] = (lambda x: model.encoder_frames(model.encoder_input(x))), waves, precision
    works["whole"] = model, waves, precision
    ceilings = {name: matrix_ceiling(device, name) for name in {"float32", precision}}
    return {
        name: Part(_batch_s(work, x, device) / batch_size, count_flops(work, x[:1]), kind, ceilings[kind])
        for name, (work, x, kind) in works.items()
    }


def warm_up(
    directory: Path, device: str, precision: str, segments: Waves, batch_size: int
) -> tuple[Predictor, dict[str, float]]:
    """Make a predictor ready, and say how many seconds that took, and what its first batches take beside later ones."""
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
        started_s = time.perf_counter()
        predictor.log_probs(waves)
        times_s[name] = time.perf_counter() - started_s
    return predictor, times_s


def fill(segments: Waves, batch_size: int) -> Waves:
    """Make a full batch ``(B, N)`` of segments, again and again where they are few."""
    return segments[np.arange(batch_size) % len(segments)]


def count_flops(work: Callable[[Tensor], object], x: Tensor) -> int:
    """Count the operations of the matrix products and convolutions of some work."""
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.nn.utils import parametrize
    from torch.utils.flop_counter import FlopCounterMode

    with torch.inference_mode(), parametrize.cached():
        work(x)  # weights that are made of others must be there: they are not made under the counter
        with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:  # it knows no CPU's attention
            work(x)
    return int(counter.get_total_flops())


def matrix_ceiling(device: torch.device, precision: str, sizes: tuple[int, ...] | None = None) -> float:
    """Measure the best rate of a product of square matrices, in FLOP/s."""
    rates = []
    for size in sizes or SIZES.get(device.type, SIZES["cpu"]):
        matrix = torch.randn(size, size, device=device, dtype=getattr(torch, precision))
        rates.append(2.0 * float(size) ** 3 / min(_times_s(lambda m=matrix: m @ m, device)))  # type: ignore[misc]
    return max(rates)


def _precision(encoder: nn.Module) -> str:
    """Name the precision of most of an encoder's weights, which is what it computes in."""
    n_weights: Counter[torch.dtype] = Counter()
    for each in encoder.parameters():
        n_weights[each.dtype] += each.numel()
    return str(n_weights.most_common(1)[0][0]).removeprefix("torch.")


def _batch_s(work: Callable[[Tensor], object], x: Tensor, device: torch.device) -> float:
    with torch.inference_mode():
        return statistics.median(_times_s(lambda: work(x), device))


def _times_s(work: Callable[[], object], device: torch.device) -> list[float]:
    times_s: list[float] = []
    _wait(device)
    while sum(times_s) < LEAST_S:
        started_s = time.perf_counter()
        work()
        _wait(device)
        times_s.append(time.perf_counter() - started_s)
    return times_s


def _wait(device: torch.device) -> None:
    """Wait for what a GPU still has to do."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
