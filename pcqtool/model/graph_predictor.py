"""Prediction with ONNX Runtime on the processor, for small networks: the same results, without loading torch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pcqtool.audio.power_spectra import MEL_FFT, MEL_HOP, centred_hamming, hann, power_spectra
from pcqtool.audio.segment import SAMPLE_RATE, SEGMENT_S
from pcqtool.fingerprint import fingerprint
from pcqtool.model.config import ModelConfig, read_config
from pcqtool.model.directory import model_sha256
from pcqtool.model.encoder_search import WEIGHTS
from pcqtool.model.profile import Profile, statistics_of
from pcqtool.model.segment_predictor import SegmentPredictor
from pcqtool.model.weight_files import check_weights, read_arrays

GRAPHS = Path(__file__).parent / "graphs"
FUSION, MOMENTS = "fusion", "moments"
N_SAMPLES = round(SEGMENT_S * SAMPLE_RATE)

PREFIX = "network."
"""What the names of weights begin with in a graph."""

OUTSIDE = ("classifier.", "scale.", "standardisation.")
"""What the names of weights begin with that are not in the graph."""

_BATCH_NORM_EPS = 1e-5
_UNUSED = ("dropout", "mean_db", "sd_db")  # settings of training, and of networks without profiles


class GraphPredictor(SegmentPredictor):
    """A model whose network is a graph of this package.

    The graph has no weights; they come from the model directory. What is before it (power spectra) and after it (the
    classifier) is numpy.

    Args:
        directory: the model directory; ``find_graph`` has found a graph for it.
        n_threads: threads that compute.

    Examples:
        >>> from pcqtool.model.directory import find
        >>> predictor = GraphPredictor(find("pcq-mini"), n_threads=1)
        >>> predictor.log_probs(np.zeros((2, 48000), np.float32)).shape
        (2, 8)
    """

    on_accelerator = False
    default_batch_size = 32

    def __init__(self, directory: Path, n_threads: int) -> None:
        config = read_config(directory)
        super().__init__(config, model_sha256(directory))
        graph = graph_path(config)
        shapes = json.loads(graph.with_suffix(".json").read_text(encoding="utf-8"))
        n_labels = len(config.labels)
        for name in ("classifier.1.weight", "classifier.1.bias"):
            shapes[name][0] = n_labels
        check_weights(directory / WEIGHTS, shapes)
        weights = read_arrays(directory / WEIGHTS)
        self._session = _Session(graph, weights, n_threads)
        sd = np.sqrt(weights["scale.running_var"] + _BATCH_NORM_EPS)
        self._classifier = (weights["classifier.1.weight"] / sd).T, weights["classifier.1.bias"]
        self._centre = weights["scale.running_mean"]
        own = (weights[f"standardisation.running_{kind}"] for kind in ("mean", "between", "square"))
        self._own = Profile(0.0, *(each.astype(np.float64) for each in own))
        settings = config.network["spectrogram"]
        self._n_bins, self._hop = settings["n_bins"], settings["hop"]
        self._n_elements = len(self._own.mean) - self._n_bins // config.network["spectrogram_pool"][1]
        self._threads = ThreadPoolExecutor(n_threads, "spectra")
        self._windows = hann(MEL_FFT), centred_hamming(settings["window"], settings["n_fft"])
        self._standardise_by(())

    def _standardise_by(self, profiles: Sequence[Profile]) -> None:
        pair = statistics_of(self._own, profiles, self._n_elements, self.profile_s)
        self._mean, self._sd = (each.astype(np.float32) for each in pair)

    def _logits(
        self, waves: NDArray[np.float32], n_samples: NDArray[np.int64] | None, rows: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        n_samples = np.full(len(waves), waves.shape[1]) if n_samples is None else n_samples
        weight, bias = self._classifier
        logits = (self._compute(FUSION, waves, n_samples, rows) - self._centre) @ weight + bias
        return np.asarray(logits, np.float64)

    def _moments(self, waves: NDArray[np.float32], n_samples: NDArray[np.int64]) -> NDArray[np.float64]:
        return self._compute(MOMENTS, waves, n_samples, np.zeros(len(waves), np.int64)).astype(np.float64)

    def _compute(
        self, output: str, waves: NDArray[np.float32], n_samples: NDArray[np.int64], rows: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        mel_power, power = self._spectra(waves, n_samples)
        return self._session.compute(
            output,
            mel_power=mel_power,
            spectrum_power=power,
            valid_fraction=(n_samples / waves.shape[1]).astype(np.float32),
            profile_mean=self._mean[rows],
            profile_sd=self._sd[rows],
        )

    def _spectra(
        self, waves: NDArray[np.float32], n_samples: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Compute the power spectra of both branches, several segments at a time."""
        mel_window, window = self._windows
        n_steps = waves.shape[1] // MEL_HOP
        mel_power = np.empty((len(waves), n_steps, MEL_FFT // 2 + 1), np.float32)
        power = np.empty((len(waves), waves.shape[1] // self._hop, self._n_bins), np.float32)

        def fill(row: slice) -> None:
            part, lengths = waves[row], n_samples[row]
            mel_power[row] = power_spectra(part, lengths, mel_window, MEL_HOP, mel_power.shape[2], "reflect")
            power[row] = power_spectra(part, lengths, window, self._hop, self._n_bins, "constant")

        list(self._threads.map(fill, (slice(row, row + 1) for row in range(len(waves)))))
        return mel_power, power


class _Session:
    """A graph with weights, in ONNX Runtime.

    Args:
        graph: the graph's file.
        weights: of the model; those that the graph lacks are ignored.
        n_threads: threads that compute.
    """

    def __init__(self, graph: Path, weights: dict[str, NDArray[np.float32]], n_threads: int) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.inter_op_num_threads, options.intra_op_num_threads = 1, n_threads
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # decoders need the cores
        inside = {name: array for name, array in weights.items() if not name.startswith(OUTSIDE)}
        names = [f"{PREFIX}{name}" for name in inside]
        self._weights = [onnxruntime.OrtValue.ortvalue_from_numpy(array) for array in inside.values()]
        options.add_external_initializers(names, self._weights)
        self._session = onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
        self._run_options = onnxruntime.RunOptions()
        self._run_options.only_execute_path_to_fetches = True

    def compute(self, output: str, **inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Compute an output of the graph.

        Raises:
            MemoryError: if there is too little memory.
        """
        try:
            (value,) = self._session.run([output], inputs, self._run_options)
        except RuntimeError as error:
            if "llocate" not in str(error) and "bad_alloc" not in str(error):
                raise
            raise MemoryError(str(error).partition("\n")[0]) from error
        return np.asarray(value)


def graph_path(config: ModelConfig) -> Path:
    """Return where the graph for a model's network would be: it is named by a hash of the network's settings."""
    settings = {name: value for name, value in config.network.items() if name not in _UNUSED}
    return GRAPHS / f"{fingerprint(settings)}.onnx"


def has_graph(config: ModelConfig, n_samples: int) -> bool:
    """Whether there is a graph for a model's network and segments of this length."""
    return n_samples == N_SAMPLES and config.encoder_source is None and graph_path(config).is_file()
