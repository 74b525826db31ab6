"""Steps about the network alone: agreement with the CPU, ceilings, rates, other ways to run the encoder, kernels."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.agreement import compare, predict_with_frames
from benchmarks.baselines import plain_predictor
from benchmarks.gpu.bench import HALF, LARGE, PRECISIONS, Bench
from benchmarks.gpu.journal import Figures, reason_of
from benchmarks.stages import Part, Work, batch_s, count_flops, matrix_ceiling, synchronize, weights_precision, works
from pcqtool.audio.segment import SEGMENT_SAMPLES
from pcqtool.model.device import raising_memory_errors
from pcqtool.model.encoders.compiled import NormalisedConvolution
from pcqtool.model.predictors import NUMBER_FORMATS

TF32 = "TF32"
N_KERNELS = 12
SEGMENT_S = SEGMENT_SAMPLES / 16000


def agreement(bench: Bench) -> Iterator[Figures]:
    """Compare labels and probabilities with those of plain encoders in float32 on the CPU."""
    for model, precisions in PRECISIONS.items():
        segments = bench.calls.some(bench.scale.n_compared[model])
        expected = predict_with_frames(segments, plain_predictor(bench.model(model), "cpu"), 1)
        for precision in precisions:
            predictor = bench.predictor(model, precision)
            facts = {"model": model, "precision": precision}
            if predictor.model.encoder is not None:
                facts["encoder computes in"] = weights_precision(predictor.model.encoder)
            facts["rejected"] = bench.rejected(model, precision)
            for tf32 in (True, False) if precision == "float32" else (True,):
                with _tf32(convolutions=tf32):
                    found = predict_with_frames(segments, predictor, bench.scale.batch_size)
                yield facts | {"convolutions in TF32": "yes" if tf32 else "no"} | compare(found, expected)


def ceilings(bench: Bench) -> Iterator[Figures]:
    """Measure the best matrix product in each precision."""
    for precision in (*NUMBER_FORMATS, HALF, TF32):
        with _tf32(products=precision == TF32):
            dtype = "float32" if precision == TF32 else precision
            rate = matrix_ceiling(bench.device, dtype, bench.scale.matrices)
        yield {"precision": precision, "GFLOP/s": rate / 1e9}


def rates(bench: Bench) -> Iterator[Figures]:
    """Measure the network's parts in batches of several sizes, until memory ends."""
    for model, precisions in PRECISIONS.items():
        for precision in reversed(precisions[: len(NUMBER_FORMATS)]):  # the one with a target comes first
            n_flops: dict[str, int] = {}
            for size in bench.scale.batch_sizes:
                facts = {"model": model, "precision": precision, "batch size": size}
                try:
                    with raising_memory_errors():
                        yield from (facts | each for each in _parts(bench, model, precision, size, n_flops))
                except MemoryError as error:
                    yield facts | {"part": "–", "stopped": reason_of(error)}
                    break
                finally:
                    _empty_cache(bench.device)


def _parts(bench: Bench, model: str, precision: str, size: int, n_flops: dict[str, int]) -> Iterator[dict[str, Any]]:
    predictor = bench.predictor(model, precision)
    for name, work in works(bench.calls.segments, predictor, size).items():
        if name not in n_flops:
            n_flops[name] = count_flops(work.compute, work.x[:1])
        segment_s = batch_s(work.compute, work.x, bench.device) / size
        yield {"part": name} | _rate(Part(segment_s, n_flops[name], work.precision, bench.ceiling(work.precision)))


def _rate(part: Part) -> dict[str, float]:
    speed = {"× real time": SEGMENT_S / part.segment_s, "segments/s": 1 / part.segment_s}
    return speed | ({"GFLOP/s": part.rate / 1e9, "of the ceiling": part.share} if part.flops else {})


Variant = Callable[[Callable[[Tensor], Tensor], Tensor], Callable[[Tensor], Tensor]]
"""Makes another function of an encoder's, given its input."""


def eager(bench: Bench) -> Iterator[Figures]:
    """Measure the encoder as it is, and with convolutions whose channels come last."""
    yield from _variants(bench, {"as it is": lambda encode, x: encode})
    with _channels_last(bench, NUMBER_FORMATS[-1]):
        yield from _variants(bench, {"convolutions with channels last": lambda encode, x: encode})
    with _tf32(products=True):
        yield from _variants(bench, {"products in TF32": lambda encode, x: encode}, "float32", TF32)


def compiled(bench: Bench) -> Iterator[Figures]:
    """Measure the encoder through ``torch.compile``."""
    compile_ = partial(torch.compile, backend=bench.scale.compiler)
    try:
        yield from _variants(bench, {"torch.compile": lambda encode, x: compile_(encode)})
        with _channels_last(bench, NUMBER_FORMATS[-1]):
            name = "torch.compile, convolutions with channels last"
            yield from _variants(bench, {name: lambda encode, x: compile_(encode)})
    finally:
        torch.compiler.reset()


def graphs(bench: Bench) -> Iterator[Figures]:
    """Measure the encoder as a CUDA graph, whose kernels start without Python."""
    yield from _variants(bench, {"CUDA graph": _captured})


def _captured(encode: Callable[[Tensor], Tensor], x: Tensor) -> Callable[[Tensor], Tensor]:
    if x.device.type != "cuda":
        raise RuntimeError("needs a GPU")
    side = torch.cuda.Stream(x.device)  # type: ignore[no-untyped-call]
    side.wait_stream(torch.cuda.current_stream(x.device))
    with torch.cuda.stream(side):  # libraries must be initialised before
        encode(x)
    torch.cuda.current_stream(x.device).wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        frames = encode(x)

    def replay(waves: Tensor) -> Tensor:
        if waves is not x:
            x.copy_(waves)
        graph.replay()
        return frames

    return replay


def _variants(
    bench: Bench, variants: dict[str, Variant], precision: str = NUMBER_FORMATS[-1], ceiling: str = ""
) -> Iterator[Figures]:
    size = bench.scale.batch_size
    work = works(bench.calls.segments, bench.predictor(LARGE, precision), size)["encoder"]
    n_flops = count_flops(work.compute, work.x[:1])
    for name, vary in variants.items():
        facts = {"encoder": name, "precision": precision, "batch size": size}
        try:
            with raising_memory_errors(), torch.inference_mode():
                yield facts | _variant(bench, vary, work, n_flops, bench.ceiling(ceiling or work.precision))
        except Exception as error:  # a way that this device or torch cannot go is a result
            yield facts | {"failed": reason_of(error)}
        finally:
            _empty_cache(bench.device)


def _variant(bench: Bench, vary: Variant, work: Work, n_flops: int, ceiling: float) -> dict[str, Any]:
    encode: Any = work.compute
    started_s = time.perf_counter()
    varied = vary(encode, work.x)
    frames = varied(work.x)
    synchronize(bench.device)
    first_s = time.perf_counter() - started_s
    expected = _expected_frames(bench, work.x)
    error = float((frames.float() - expected).norm() / expected.norm())
    part = Part(batch_s(varied, work.x, bench.device) / len(work.x), n_flops, work.precision, ceiling)
    return _rate(part) | {"first batch, s": first_s, "error of the frames": error}


def _expected_frames(bench: Bench, waves: Tensor) -> Tensor:
    """Compute the frames in float32, without TF32."""
    model: Any = bench.predictor(LARGE, "float32").model
    with _tf32(convolutions=False):
        frames = model.encoder_frames(model.encoder_input(waves))
    found: Tensor = frames.float()
    return found


@contextmanager
def _channels_last(bench: Bench, precision: str) -> Iterator[None]:
    """Replace the convolutions of the waves by two-dimensional ones, whose channels come last."""
    encoder: Any = bench.predictor(LARGE, precision).model.encoder
    front = encoder.model.feature_extractor
    vars(front)["forward"] = partial(_convolve, NormalisedConvolution(front.conv_layers[0]), front.conv_layers)
    try:
        yield
    finally:
        del vars(front)["forward"]


def _convolve(first: NormalisedConvolution, layers: Any, waves: Tensor) -> Tensor:
    """Compute the convolutions of the waves: ``(B, N)`` → ``(B, C, T)``."""
    dtype = layers[0].conv.weight.dtype
    windows, weights = (each.to(dtype) for each in first.inputs(waves.float()))
    x = layers[0].activation(windows @ weights).transpose(1, 2).unsqueeze(2)  # (B, C, 1, T)
    for layer in layers[1:]:
        weight = layer.conv.weight.unsqueeze(2).contiguous(memory_format=torch.channels_last)
        x = layer.activation(functional.conv2d(x, weight, layer.conv.bias, stride=(1, layer.conv.stride[0])))
    frames: Tensor = x.squeeze(2)
    return frames


def kernels(bench: Bench) -> Iterator[Figures]:
    """Find out which kernels the time of a batch goes to, and how long the device computes none."""
    from torch.profiler import ProfilerActivity, profile

    on_gpu = bench.device.type == "cuda"
    precision = NUMBER_FORMATS[-1]
    work = works(bench.calls.segments, bench.predictor(LARGE, precision), bench.scale.batch_size)["whole"]
    with torch.inference_mode():
        work.compute(work.x)
        synchronize(bench.device)
        with profile(activities=[ProfilerActivity.CPU, *[ProfilerActivity.CUDA] * on_gpu]) as profiled:
            started_s = time.perf_counter()
            work.compute(work.x)
            synchronize(bench.device)
            whole_s = time.perf_counter() - started_s
    events = profiled.key_averages()
    times_s = _kernel_times_s(events, on_gpu)
    yield {"kernel": "all", "share": sum(seconds for _, seconds, _ in times_s) / whole_s}
    for name, seconds, count in sorted(times_s, key=lambda each: -each[1])[:N_KERNELS]:
        yield {"kernel": name[:100], "share": seconds / whole_s, "calls": count}


def _kernel_times_s(events: Sequence[Any], on_gpu: bool) -> list[tuple[str, float, int]]:
    if not on_gpu:
        return [(event.key, event.self_cpu_time_total / 1e6, event.count) for event in events]
    on_device = [event for event in events if event.device_type.name == "CUDA"]
    return [(event.key, event.self_device_time_total / 1e6, event.count) for event in on_device]


@contextmanager
def _tf32(products: bool = False, convolutions: bool = True) -> Iterator[None]:
    """Let a GPU round the inputs of float32 products or convolutions; torch's defaults are those here."""
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = products, convolutions
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


def _empty_cache(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.empty_cache()
