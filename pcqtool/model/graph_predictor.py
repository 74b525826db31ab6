"""Prediction with OpenVINO on the processor, for networks with the small encoder: without torch, and faster."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pcqtool.audio.levels import log_mel, mel_filters, pooled_decibels
from pcqtool.audio.numpy_threads import one_thread
from pcqtool.audio.power_spectra import MEL_FFT, MEL_HOP, PowerSpectra, centred_hamming, hann
from pcqtool.audio.segment import SAMPLE_RATE, SEGMENT_S
from pcqtool.errors import ModelError
from pcqtool.model.config import ModelConfig, read_config
from pcqtool.model.directory import model_sha256
from pcqtool.model.encoder_search import WEIGHTS
from pcqtool.model.graph.runtime import compile_graph, core
from pcqtool.model.graph.settings import GraphSettings, graph_settings
from pcqtool.model.graph.weights import EPS, Weights
from pcqtool.model.profile import Profile, statistics_of
from pcqtool.model.segment_predictor import SegmentPredictor

N_SAMPLES = round(SEGMENT_S * SAMPLE_RATE)

_CHUNK = 8
"""Segments that a thread computes at a time: larger chunks are not faster."""

_MAX_BATCH = 512
_STATISTICS = ("mean", "between", "square")

Array = NDArray[np.float32]


class GraphPredictor(SegmentPredictor):
    """A model whose network is a graph, built from the model's weights.

    What is before the graph (spectra) and after it (the classifier) is numpy, in float32. Each thread computes its own
    part of a batch, from the samples on.

    Args:
        directory: the model directory; ``has_graph`` has said that its network can be a graph.
        n_threads: threads that compute.
        precision: ``float32`` or ``bfloat16``, for the graph.
        n_samples: length of the segments.

    Attributes:
        precision: that of the graph.

    Raises:
        ModelError: if a weight is missing, unexpected, of a wrong shape, or not finite.

    Examples:
        >>> from pcqtool.model.directory import find
        >>> predictor = GraphPredictor(find("pcq-mini"), n_threads=1)
        >>> predictor.log_probs(np.zeros((2, 48000), np.float32)).shape
        (2, 8)
    """

    def __init__(self, directory: Path, n_threads: int, precision: str = "float32", n_samples: int = N_SAMPLES) -> None:
        config = read_config(directory)
        super().__init__(config, model_sha256(directory))
        settings = graph_settings(config, n_samples)
        if settings is None:
            raise ModelError(f"the network of model {config.name} cannot be a graph")
        weights = Weights(directory / WEIGHTS)
        n_elements, n_bins = settings.n_elements, settings.spectrogram_size[1]
        own = (weights.take(f"standardisation.running_{each}", n_elements + n_bins) for each in _STATISTICS)
        self._own, self._n_elements = Profile(0.0, *(each.astype(np.float64) for each in own)), n_elements
        self._classifier = _Classifier(weights, settings.n_fused, len(config.labels))
        with _explaining(config):
            graph = _built(settings, weights)
        weights.check_all_taken()
        self._threads, self._n_threads = ThreadPoolExecutor(n_threads, "graph"), n_threads
        self._compiled = self._threads.submit(compile_graph, graph, n_threads, precision)  # while decoding begins
        self._settings, self._local, self.precision = settings, threading.local(), precision
        self._standardise_by(())

    @property
    def default_batch_size(self) -> int:
        """Segments per batch if the user sets none: several chunks for each thread."""
        return min(2 * _CHUNK * max(2, self._n_threads), _MAX_BATCH)

    def _standardise_by(self, profiles: Sequence[Profile]) -> None:
        mean, sd = statistics_of(self._own, profiles, self._n_elements, self.profile_s)
        self._mean, self._sd = mean.astype(np.float32), sd.astype(np.float32)

    def _logits(
        self, waves: Array, n_samples: NDArray[np.int64] | None, rows: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        lengths = np.full(len(waves), waves.shape[1]) if n_samples is None else n_samples

        def compute(lane: _Lane, chunk: slice) -> NDArray[np.float64]:
            fusion, _ = lane.compute(waves[chunk], lengths[chunk], self._mean[rows[chunk]], self._sd[rows[chunk]])
            return self._classifier(fusion)

        return self._in_threads(compute, len(waves))

    def _moments(self, waves: Array, n_samples: NDArray[np.int64]) -> NDArray[np.float64]:
        def compute(lane: _Lane, chunk: slice) -> NDArray[np.float64]:
            _, of_frames = lane.compute(waves[chunk], n_samples[chunk], self._mean[:1], self._sd[:1])
            return np.concatenate((of_frames, lane.level_moments()), axis=2)

        return self._in_threads(compute, len(waves))

    def _in_threads(self, compute: Callable[[_Lane, slice], NDArray[np.float64]], n: int) -> NDArray[np.float64]:
        """Compute the chunks of ``n`` segments, in order."""

        def compute_chunk(first: int) -> NDArray[np.float64]:
            if not hasattr(self._local, "lane"):
                with _explaining(self.config):
                    self._local.lane = _Lane(self.config, self._settings, self._compiled.result())
            return compute(self._local.lane, slice(first, first + _CHUNK))[: n - first]

        with one_thread():
            return np.concatenate(list(self._threads.map(compute_chunk, range(0, n, _CHUNK))))


class _Lane:
    """The memory in which one thread computes chunks of segments: spectra, and inputs and outputs of the graph."""

    def __init__(self, config: ModelConfig, settings: GraphSettings, compiled: Any) -> None:
        self._config, self._settings = config, settings
        self._filters = mel_filters(settings.encoder.n_mels)
        window = centred_hamming(settings.window, settings.n_fft)
        self._n_samples = n_samples = settings.n_steps * MEL_HOP
        self._mel_power = PowerSpectra(n_samples, hann(MEL_FFT), MEL_HOP, len(self._filters), "reflect")
        self._power = PowerSpectra(n_samples, window, MEL_HOP, settings.n_bins, "constant")
        self._request = compiled.create_infer_request()
        self._inputs = [tensor.data for tensor in self._request.input_tensors]
        for each in self._inputs:
            each.fill(1.0)  # a chunk may be smaller, and rests of other memory slow to compute

    def compute(self, waves: Array, n_samples: NDArray[np.int64], mean: Array, sd: Array) -> tuple[Array, Array]:
        """Compute fusion vectors ``(B, F)`` and moments of frames ``(B, 2, D)``; B is ``_CHUNK``, for fewer waves, too.

        Raises:
            MemoryError: if there is too little memory.
        """
        settings, n = self._settings, len(waves)
        mel, level, fraction, *profile = self._inputs
        for i, (wave, length) in enumerate(zip(waves, n_samples.tolist(), strict=True)):
            log_mel(self._mel_power(wave, length), self._filters, out=mel[i])
            pooled_decibels(self._power(wave, length), settings.floor_db, settings.pool, out=level[i])
        fraction[:n, 0] = n_samples / self._n_samples
        for values, of_profile in zip(profile, (mean, sd), strict=True):
            values[:n] = of_profile
        with _explaining(self._config):
            self._request.infer()
        fusion, moments = (tensor.data for tensor in self._request.output_tensors)
        return fusion, moments

    def level_moments(self) -> NDArray[np.float64]:
        """Compute mean and mean square ``(B, 2, W)`` of the last spectrograms over their valid steps."""
        _, level, fraction, *_ = self._inputs
        exact, steps = level.astype(np.float64), np.arange(level.shape[1])
        valid = (steps < fraction * len(steps)) | (steps == 0)
        weights = valid / valid.sum(axis=1, keepdims=True)
        return np.stack([np.einsum("bhw,bh->bw", each, weights) for each in (exact, exact**2)], axis=1)


class _Classifier:
    """Batch normalisation without weights, and a linear layer."""

    def __init__(self, weights: Weights, n_inputs: int, n_labels: int) -> None:
        self._centre = weights.take("scale.running_mean", n_inputs)
        sd = np.sqrt(weights.take("scale.running_var", n_inputs) + EPS)
        weight, self._bias = weights.take_layer("classifier.1", n_labels, n_inputs)
        self._weight = (weight / sd).T

    def __call__(self, fusion: Array) -> NDArray[np.float64]:
        """Compute logits ``(B, L)``."""
        return np.asarray((fusion - self._centre) @ self._weight + self._bias, np.float64)


@contextmanager
def _explaining(config: ModelConfig) -> Iterator[None]:
    """Turn an error of OpenVINO into a ``MemoryError`` or a ``ModelError``."""
    try:
        yield
    except RuntimeError as error:
        reason = str(error).strip().partition("\n")[0]
        if "alloc" in str(error):
            raise MemoryError(reason) from error
        raise ModelError(f"OpenVINO cannot compute model {config.name}: {reason}", "Use --runtime torch.") from error


def _built(settings: GraphSettings, weights: Weights) -> Any:
    core()
    from pcqtool.model.graph.network import build_graph

    return build_graph(settings, weights, _CHUNK)


def has_graph(config: ModelConfig, n_samples: int) -> bool:
    """Whether a model's network can be a graph, for segments of this length."""
    return graph_settings(config, n_samples) is not None
