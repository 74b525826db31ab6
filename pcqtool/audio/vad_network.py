"""silero-vad's network for 16 kHz, in numpy: the probability of speech in each window of 32 ms.

The published runtimes compute a window at a time, in products too small for a processor. Here, the layers that need no
history take all windows of a call at once, and only the recurrent one takes them in turn. The result is the same, up to
rounding. ``docs/make_vad_weights.py`` wrote the weights, from the published model.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from pcqtool.audio.numpy_threads import one_thread
from pcqtool.errors import ModelError

Floats = np.ndarray[Any, np.dtype[np.float32]]

WINDOW = 512  # samples, 32 ms
CONTEXT = 64  # samples of the previous window that the network also gets
WEIGHTS = Path(__file__).parent / "silero" / "silero_vad_16k.safetensors"

_N_FFT, _HOP = 256, 128
_N_FRAMES = WINDOW // _HOP
_N_BINS = _N_FFT // 2 + 1
_DIM = 128  # of the recurrent layer
_ONES, _HALVES = np.ones(3 * _DIM, np.float32), np.full(2, 0.5, np.float32)
_BLOCK = 64  # windows at once; more do not fit the processor's cache
_lock = threading.Lock()


@dataclass(frozen=True)
class _Weights:
    """Weights as the computation needs them: transposed, and scaled so that one ``tanh`` serves all gates.

    A logistic gate is ``(1 + tanh(x / 2)) / 2``. The halves of its argument are in the weights; those of the output
    gate's value are in the weights of the layers that follow.
    """

    window: Floats
    convolutions: tuple[tuple[Floats, Floats], ...]
    from_input: Floats
    bias: Floats
    from_state: Floats
    last: Floats
    last_bias: Floats


class VadNetwork:
    """The network in one stream of audio; it remembers what came before.

    Examples:
        >>> network = VadNetwork()
        >>> network.probabilities(np.zeros((3, 512), np.float32)).shape
        (3,)
    """

    def __init__(self) -> None:
        self._weights = read_weights()
        self._context = np.zeros(CONTEXT, np.float32)
        self._hidden = np.zeros(_DIM, np.float32)  # twice the published state
        self._cell = np.zeros(_DIM, np.float32)

    def probabilities(self, windows: Floats) -> Floats:
        """Compute the probabilities of speech ``(k,)`` in the next windows ``(k, 512)``."""
        before = np.concatenate((self._context[None], windows[:-1, -CONTEXT:]))
        self._context = windows[-1, -CONTEXT:].copy()
        weights = self._weights
        with one_thread():  # recordings are decoded side by side, one on each core
            blocks = np.array_split(np.concatenate((before, windows), axis=1), range(_BLOCK, len(windows), _BLOCK))
            states = self._recur(np.concatenate([_features(block, weights) for block in blocks]))
            logits = np.maximum(states, 0.0) @ weights.last + weights.last_bias
        return np.asarray(1.0 / (1.0 + np.exp(-logits)), np.float32)

    def _recur(self, inputs: Floats) -> Floats:
        """Run the recurrent layer (LSTM): the gates' inputs ``(k, 4 * 128)`` → twice its states ``(k, 128)``."""
        from_state, hidden = self._weights.from_state, self._hidden
        states = np.empty((len(inputs), _DIM), np.float32)
        row = np.empty(5 * _DIM, np.float32)  # output, input and forget gate, candidate, cell
        row[4 * _DIM :] = self._cell
        gates, logistic, output = row[: 4 * _DIM], row[: 3 * _DIM], row[:_DIM]
        input_and_forget, candidate_and_cell, cell = row[_DIM : 3 * _DIM], row[3 * _DIM :], row[4 * _DIM :]
        terms, squashed = np.empty((2, _DIM), np.float32), np.empty(_DIM, np.float32)
        both = terms.reshape(-1)
        for from_input, state in zip(inputs, states, strict=True):
            np.dot(hidden, from_state, out=gates)
            np.add(gates, from_input, out=gates)
            np.tanh(gates, out=gates)
            np.add(logistic, _ONES, out=logistic)
            np.multiply(input_and_forget, candidate_and_cell, out=both)
            np.dot(_HALVES, terms, out=cell)
            np.tanh(cell, out=squashed)
            np.multiply(output, squashed, out=state)
            hidden = state
        self._hidden, self._cell = hidden.copy(), cell.copy()
        return states


def _features(windows: Floats, weights: _Weights) -> Floats:
    """Compute the gates' inputs ``(k, 512)`` from windows with their context ``(k, 576)``."""
    n, size = len(windows), windows.itemsize
    reflected = np.concatenate((windows, windows[:, -2 : -2 - CONTEXT : -1]), axis=1)
    frames = as_strided(reflected, (n, _N_FRAMES, _N_FFT), (reflected.strides[0], _HOP * size, size))
    spectra = np.zeros((n, _N_FRAMES + 2, _N_BINS), np.float32)  # with the padding of the first convolution
    np.abs(np.fft.rfft(frames * weights.window), out=spectra[:, 1:-1])
    first, second, third, fourth = weights.convolutions
    maps = np.zeros((n, _N_FRAMES + 1, _DIM), np.float32)  # with the padding of the second one, before the first frame
    maps[:, 1:] = _convolve(_spliced(spectra, _N_FRAMES, 1), first).reshape(n, _N_FRAMES, _DIM)
    halved = _convolve(_spliced(maps, _N_FRAMES // 2, 2), second).reshape(n, -1)
    inputs = _convolve(_convolve(halved, third), fourth) @ weights.from_input
    inputs += weights.bias
    return np.asarray(inputs)


def _spliced(x: Floats, n_steps: int, stride: int) -> Floats:
    """Concatenate every ``stride``-th frame with the next two: ``(n, T, C)`` → ``(n * n_steps, 3 * C)``."""
    n, _, channels = x.shape
    strides = (x.strides[0], stride * x.strides[1], x.itemsize)
    return as_strided(x, (n, n_steps, 3 * channels), strides).reshape(n * n_steps, 3 * channels)


def _convolve(x: Floats, layer: tuple[Floats, Floats]) -> Floats:
    weight, bias = layer
    y = x @ weight
    y += bias
    return np.asarray(np.maximum(y, 0.0, out=y))


def read_weights() -> _Weights:
    """Return the network's weights, read once per process.

    Raises:
        ModelError: if the file is missing or damaged.
    """
    with _lock:
        return _read_weights()


@cache
def _read_weights() -> _Weights:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        tensors = load_file(WEIGHTS)
        layers = [(tensors[f"conv{number}.weight"], tensors[f"conv{number}.bias"]) for number in (1, 2, 3, 4)]
        input_weight, state_weight = tensors["lstm.weight_ih"], tensors["lstm.weight_hh"]
        bias = tensors["lstm.bias_ih"] + tensors["lstm.bias_hh"]
        last, last_bias = tensors["last.weight"], tensors["last.bias"]
    except (OSError, SafetensorError, KeyError) as fault:
        raise ModelError(
            f"the weights of voice activity detection cannot be read: {fault}", "Install pcqtool again."
        ) from fault
    first, second, third, fourth = ((_taps(weight), bias) for weight, bias in layers)
    # On two steps with stride 2, and on one step, some taps meet nothing but padding.
    third, fourth = (third[0][_DIM // 2 :], third[1]), (fourth[0][_DIM // 2 : _DIM], fourth[1])
    scale = np.where(np.arange(4 * _DIM) // _DIM == 2, 1.0, 0.5).astype(np.float32)  # the third is the candidate
    rows = np.concatenate([np.arange(gate * _DIM, (gate + 1) * _DIM) for gate in (3, 0, 1, 2)])
    return _Weights(
        window=np.hanning(_N_FFT + 1)[:-1].astype(np.float32),
        convolutions=(first, second, third, fourth),
        from_input=np.ascontiguousarray((input_weight * scale[:, None])[rows].T),
        bias=(bias * scale)[rows],
        from_state=np.ascontiguousarray((0.5 * state_weight * scale[:, None])[rows].T),
        last=np.float32(0.5) * last,
        last_bias=last_bias,
    )


def _taps(weight: Floats) -> Floats:
    """Arrange a convolution's weights ``(C_out, C_in, 3)`` for spliced frames: ``(3 * C_in, C_out)``."""
    return np.ascontiguousarray(weight.transpose(2, 1, 0)).reshape(-1, weight.shape[0])
