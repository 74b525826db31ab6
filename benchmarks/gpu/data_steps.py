"""Steps about what feeds the network: work that could move to the device, copies, and decoding."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from functools import partial

import numpy as np
import torch

from benchmarks.gpu.bench import LARGE, MINI, Bench
from benchmarks.gpu.journal import Figures, reason_of
from benchmarks.sample import Sample
from benchmarks.stages import batch_s, fill, times_s, works
from pcqtool.arguments import n_jobs
from pcqtool.audio.resample import resample
from pcqtool.audio.segment import SAMPLE_RATE
from pcqtool.batch.prefetch import prefetch, start_decoders
from pcqtool.labelling.settings import LabelSettings

RATES = (8000, 44100)
BLOCK_S = 10.0
"""Length of a row of a batch that is resampled on the device."""


def device(bench: Bench) -> Iterator[Figures]:
    """Measure spectrograms, profiles and resampling on the device, and resampling on the CPU."""
    segments, size = bench.calls.segments, bench.scale.batch_size
    for model in (MINI, LARGE):
        work = works(segments, bench.predictor(model, "float32"), size)["spectrogram"]
        seconds = batch_s(work.compute, work.x, bench.device)
        yield {"work": f"spectrogram of {model}", "where": "device"} | _speed(size * 3.0, seconds)
    predictor = bench.predictor(MINI, "float32")
    waves, lengths = fill(segments, size), np.full(size, segments.shape[1], np.int64)
    predictor.moments(waves, lengths)
    seconds = min(times_s(lambda: predictor.moments(waves, lengths), bench.device))
    yield {"work": f"moments of {MINI}, with copies", "where": "device"} | _speed(size * 3.0, seconds)
    for rate in RATES:
        yield from _resampling(bench, rate)


def _resampling(bench: Bench, rate: int) -> Iterator[Figures]:
    from torchaudio.transforms import Resample

    name, length_s = f"resample from {rate} Hz", bench.scale.resample_s
    n_rows = max(1, round(length_s / BLOCK_S))
    rows = np.random.default_rng(0).standard_normal((n_rows, round(length_s / n_rows * rate)), np.float32)
    transform, x = Resample(rate, SAMPLE_RATE).to(bench.device), torch.from_numpy(rows).to(bench.device)
    yield {"work": name, "where": "device, torchaudio"} | _speed(length_s, batch_s(transform, x, bench.device))
    blocks = [row[:, None] for row in rows]
    seconds = min(times_s(lambda: list(resample(blocks, rate, 1)), torch.device("cpu")))
    yield {"work": name, "where": "CPU, soxr, 1 thread"} | _speed(length_s, seconds)
    n = n_jobs(0)
    with ThreadPoolExecutor(n) as pool:
        seconds = min(
            times_s(lambda: list(pool.map(lambda block: list(resample([block], rate, 1)), blocks)), torch.device("cpu"))
        )
    yield {"work": name, "where": f"CPU, soxr, {n} threads"} | _speed(length_s, seconds)


def copies(bench: Bench) -> Iterator[Figures]:
    """Measure ways to copy a batch to the device."""
    host = torch.from_numpy(fill(bench.calls.segments, bench.scale.batch_size))
    to_device: Callable[[torch.Tensor], torch.Tensor] = partial(torch.Tensor.to, device=bench.device, copy=True)
    ways: dict[str, Callable[[], Callable[[], object]]] = {
        "pageable": lambda: partial(to_device, host),
        "pinned before": lambda: partial(host.pin_memory().to, bench.device, non_blocking=True),
        "pinned for each copy, as pcqtool does": lambda: lambda: host.pin_memory().to(bench.device, non_blocking=True),
        "copied into pinned memory that is kept": lambda: _through_buffer(host, bench.device),
        "to pinned memory alone": lambda: partial(torch.empty_like(host, pin_memory=True).copy_, host),
    }
    for name, way in ways.items():
        facts = {"copy": name, "MB": host.nbytes / 1e6}
        try:
            copy = way()
            copy()
            seconds = min(times_s(copy, bench.device))
            yield facts | {"ms": seconds * 1e3, "GB/s": host.nbytes / seconds / 1e9}
        except Exception as error:  # without a GPU, nothing can be pinned
            yield facts | {"failed": reason_of(error)}


def _through_buffer(host: torch.Tensor, device: torch.device) -> Callable[[], object]:
    buffer = torch.empty_like(host, pin_memory=True)
    return lambda: buffer.copy_(host).to(device, non_blocking=True)


def decode(bench: Bench) -> Iterator[Figures]:
    """Count the files that decoders read, without the network."""
    for kind, sample in {"calls": bench.calls, "utterances": bench.utterances}.items():
        for vad in (False, True):
            for jobs in bench.scale.jobs:
                facts = {"recordings": kind, "VAD": "on" if vad else "off", "jobs": jobs}
                yield facts | {"processes": "yes"} | _decoding(bench, sample, label_settings(jobs=jobs, vad=vad))
            settings = replace(label_settings(jobs=bench.scale.jobs[-1], vad=vad), timeout_s=0.0)
            yield facts | {"processes": "no, threads"} | _decoding(bench, sample, settings)


def label_settings(jobs: int = 0, precision: str = "float32", vad: bool = True, batch_size: int = 0) -> LabelSettings:
    """Return settings of labelling."""
    settings = LabelSettings(jobs=jobs, precision=precision, batch_size=batch_size or None)
    return replace(settings, reader_options=replace(settings.reader_options, vad=vad))


def _decoding(bench: Bench, sample: Sample, settings: LabelSettings) -> dict[str, float]:
    start_decoders(settings)
    endless = list(sample.sources) * 1000
    n_files, n_samples, started_s = 0, 0, 0.0
    with closing(prefetch(endless, settings)) as pieces:
        for piece in pieces:
            if not started_s:  # the first piece waits for the decoders' start
                started_s = time.perf_counter()
                continue
            n_files += piece.is_last
            n_samples += sum(int(chunk.n_samples.sum()) for chunk in piece.chunks)
            if time.perf_counter() - started_s > bench.scale.decode_s:
                break
        seconds = time.perf_counter() - started_s
    return {"files/s": n_files / seconds, "× real time": n_samples / SAMPLE_RATE / seconds}


def _speed(audio_s: float, seconds: float) -> dict[str, float]:
    return {"× real time": audio_s / seconds, "ms": seconds * 1e3}
