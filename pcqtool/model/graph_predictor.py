"""Prediction with OpenVINO on the processor, for networks with the small encoder: without torch, and faster."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pcqtool.audio.levels import log_mel, mel_filters, pooled_decibels
from pcqtool.audio.numpy_threads import one_thread
from pcqtool.audio.power_spectra import MEL_FFT, MEL_HOP, centred_hamming, hann, power_spectra
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

    Raises:
        ModelError: if a weight is missing, unexpected, of a wrong shape, or not finite.

    Examples:
        >>> from pcqtool.model.directory import find
        >>> predictor = GraphPredictor(find("pcq-mini"), n_threads=1)
        >>> predictor.log_probs(np.zeros((2, 48000), np.float32)).shape
        (2, 8)
    """

    on_accelerator = False

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
        self._front_end = _FrontEnd(settings)
        self._threads, self._n_threads = ThreadPoolExecutor(n_threads, "graph"), n_threads
        self._graph = _Graph(settings, weights, precision, self._threads, n_threads)
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
        n_samples = np.full(len(waves), waves.shape[1]) if n_samples is None else n_samples

        def compute(chunk: slice) -> NDArray[np.float64]:
            mel, level = self._front_end(waves[chunk], n_samples[chunk])
            fraction = n_samples[chunk] / waves.shape[1]
            fusion, _ = self._graph(mel, level, fraction, self._mean[rows[chunk]], self._sd[rows[chunk]])
            return self._classifier(fusion)[: len(mel)]

        return self._in_threads(compute, len(waves))

    def _moments(self, waves: Array, n_samples: NDArray[np.int64]) -> NDArray[np.float64]:
        def compute(chunk: slice) -> NDArray[np.float64]:
            mel, level = self._front_end(waves[chunk], n_samples[chunk])
            fraction = n_samples[chunk] / waves.shape[1]
            profile = (self._mean[:1].repeat(len(mel), axis=0), self._sd[:1].repeat(len(mel), axis=0))
            _, of_frames = self._graph(mel, level, fraction, *profile)
            return np.concatenate((of_frames[: len(mel)], _moments_of(level.astype(np.float64), fraction)), axis=2)

        return self._in_threads(compute, len(waves))

    def _in_threads(self, compute: Callable[[slice], NDArray[np.float64]], n: int) -> NDArray[np.float64]:
        """Compute the chunks of ``n`` segments, in order."""
        chunks = (slice(first, first + _CHUNK) for first in range(0, n, _CHUNK))
        with one_thread():
            return np.concatenate(list(self._threads.map(compute, chunks)))


class _FrontEnd:
    """The inputs of the graph, from the samples of segments."""

    def __init__(self, settings: GraphSettings) -> None:
        self._settings = settings
        self._filters = mel_filters(settings.encoder.n_mels)
        self._mel_window, self._window = hann(MEL_FFT), centred_hamming(settings.window, settings.n_fft)

    def __call__(self, waves: Array, n_samples: NDArray[np.int64]) -> tuple[Array, Array]:
        """Compute log-mel frames ``(B, T, n_mels)`` and pooled spectrograms in dB ``(B, H, W)``."""
        settings = self._settings
        mel = power_spectra(waves, n_samples, self._mel_window, MEL_HOP, len(self._filters), "reflect")
        power = power_spectra(waves, n_samples, self._window, MEL_HOP, settings.n_bins, "constant")
        levels = [pooled_decibels(each, settings.floor_db, settings.pool) for each in power]
        return np.stack([log_mel(each, self._filters) for each in mel]), np.stack(levels)


class _Graph:
    """A compiled graph; threads may compute at the same time.

    Args:
        settings: of the network.
        weights: of the model.
        precision: of the computation.
        threads: they compile the graph while the caller goes on.
        n_threads: how many they are.
    """

    def __init__(
        self, settings: GraphSettings, weights: Weights, precision: str, threads: ThreadPoolExecutor, n_threads: int
    ) -> None:
        core()
        from pcqtool.model.graph.network import build_graph

        graph = build_graph(settings, weights, _CHUNK)
        weights.check_all_taken()
        self._compiled = threads.submit(compile_graph, graph, n_threads, precision)
        self._requests = threading.local()

    def __call__(self, *inputs: NDArray[Any]) -> tuple[Array, Array]:
        """Compute fusion vectors ``(B, F)`` and moments ``(B, 2, D)``, from inputs of up to B = ``_CHUNK`` segments.

        Raises:
            MemoryError: if there is too little memory.
        """
        if not hasattr(self._requests, "own"):
            self._requests.own = self._compiled.result().create_infer_request()
        try:
            outputs = self._requests.own.infer([_filled(each) for each in inputs])
        except RuntimeError as error:
            if "alloc" not in str(error):
                raise
            raise MemoryError(str(error).partition("\n")[0]) from error
        return outputs[0], outputs[1]


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


def _moments_of(level: NDArray[np.float64], fraction: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute mean and mean square ``(B, 2, W)`` of spectrograms ``(B, H, W)`` over their valid steps."""
    steps = np.arange(level.shape[1])
    valid = (steps < fraction[:, None] * len(steps)) | (steps == 0)
    weights = valid / valid.sum(axis=1, keepdims=True)
    return np.stack([np.einsum("bhw,bh->bw", each, weights) for each in (level, level**2)], axis=1)


def _filled(values: NDArray[Any]) -> Array:
    """Fill an input of the graph up to ``_CHUNK`` segments."""
    filled = np.zeros((_CHUNK, *values.shape[1:]) if values.ndim > 1 else (_CHUNK, 1), np.float32)
    filled[: len(values)] = values if values.ndim > 1 else values[:, None]
    return filled


def has_graph(config: ModelConfig, n_samples: int) -> bool:
    """Whether a model's network can be a graph, for segments of this length."""
    return graph_settings(config, n_samples) is not None
