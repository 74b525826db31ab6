"""Pre-trained encoders on a processor: OpenVINO computes the hidden states of a few segments per core at a time.

torch traces the encoder, OpenVINO converts the trace and compiles it for segments of one length. Streams of one batch
keep several cores busier than threads that share each matrix product. A compiled encoder needs no torch weights.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from threading import Lock
from typing import Any, NoReturn

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from pcqtool.audio.segment import SEGMENT_SAMPLES
from pcqtool.errors import ModelError
from pcqtool.model.device import raising_memory_errors
from pcqtool.model.encoders.base import Encoder
from pcqtool.model.encoders.verified_optimisation import EXACT, ROUNDED, probe_waves, states_agree
from pcqtool.model.graph.runtime import compile_graph, core

PIECE = 4
"""Segments per piece of a batch: of 1, 2, 4 and 8, four are nearly as fast as eight, and leave a batch many pieces."""

MAX_STREAMS = 8
"""A batch of 32 segments has no more pieces; with more threads, several share a stream."""


class CompiledEncoder:
    """The hidden states of an encoder, compiled for a processor.

    The first call decides the length of the segments. After it, only what was compiled for that length is kept.
    OpenVINO keeps the weights twice: as they were, and packed, in the precision of the computation.

    Args:
        encoder: a pre-trained encoder; its ``model`` is not needed afterwards.
        dtype: float32 or bfloat16.

    Attributes:
        dtype: the data type of the computation.

    Shape:
        output of the encoder's front end ``(B, …)`` → hidden states ``(B, T, D)``, in float32

    Raises:
        ImportError: if OpenVINO is missing.
        RuntimeError: if OpenVINO cannot compute the encoder.
    """

    def __init__(self, encoder: Encoder, dtype: torch.dtype) -> None:
        self.dtype = dtype
        self._first = NormalisedConvolution.of(encoder)
        self._lock = Lock()
        example = self._inputs(encoder.front_end(probe_waves(SEGMENT_SAMPLES)))
        self._graph: Any = _converted(_HiddenStates(encoder, self._first), example)
        self._compile(example)

    def __call__(self, encoder_input: Tensor) -> list[Tensor]:
        """Compute hidden states.

        Raises:
            ModelError: if earlier segments had another length.
        """
        with self._lock:
            example = self._inputs(encoder_input[:1])
            if _shapes(example) != self._example_shapes:
                if self._graph is None:
                    raise ModelError("the encoder is compiled for segments of another length", "Load the model again.")
                self._compile(example)
            self._graph = None
            return self.compute(encoder_input)

    def __reduce__(self) -> NoReturn:
        """Refuse to be copied or pickled.

        Raises:
            ModelError: always.
        """
        raise ModelError("a compiled encoder cannot be copied", "Copy it before optimise_for_inference.")

    def compute(self, encoder_input: Tensor) -> list[Tensor]:
        """Compute hidden states of segments of the compiled length, piece by piece in all streams."""
        n = len(encoder_input)
        states = [np.empty((n, *shape), np.float32) for shape in self._state_shapes]

        def store(request: Any, start: int) -> None:
            for number, values in enumerate(states):
                values[start : start + PIECE] = request.get_output_tensor(number).data[: n - start]

        self._queue.set_callback(store)
        with raising_memory_errors():
            for start in range(0, n, PIECE):
                inputs = self._inputs(_filled(encoder_input[start : start + PIECE]))
                self._queue.start_async([each.numpy() for each in inputs], start)
            self._queue.wait_all()
        return [torch.from_numpy(values) for values in states]

    def _inputs(self, encoder_input: Tensor) -> tuple[Tensor, ...]:
        return (encoder_input,) if self._first is None else self._first.inputs(encoder_input)

    def _compile(self, example: Sequence[Tensor]) -> None:
        core()  # imports OpenVINO without what is not needed
        from openvino import AsyncInferQueue

        n_threads = torch.get_num_threads()
        n_streams = min(n_threads, MAX_STREAMS)
        self._example_shapes = _shapes(example)
        self._graph.reshape({number: [PIECE, *each.shape[1:]] for number, each in enumerate(example)})
        compiled = compile_graph(self._graph, n_threads, str(self.dtype).removeprefix("torch."), n_streams)
        self._state_shapes = [tuple(each.shape)[1:] for each in compiled.outputs]
        self._queue = AsyncInferQueue(compiled, n_streams)


def compile_verified(encoder: Encoder, dtype: torch.dtype) -> CompiledEncoder:
    """Compile an encoder and compare its hidden states for a test signal with those of torch in float32.

    Raises:
        ImportError: if OpenVINO is missing.
        RuntimeError: if OpenVINO cannot compute the encoder, or computes it wrongly.
    """
    with torch.inference_mode(), raising_memory_errors():
        probe = encoder.front_end(probe_waves(SEGMENT_SAMPLES))
        expected = torch.stack(encoder.hidden_states(probe), dim=1)
        compiled = CompiledEncoder(encoder, dtype)
        states = torch.stack(compiled.compute(probe), dim=1)
    if not states_agree(states, expected, EXACT if dtype == torch.float32 else 2 * ROUNDED):
        raise RuntimeError("the hidden states differ from those of torch")
    return compiled


class NormalisedConvolution:
    """The first convolution of the waves with its normalisation over time, as one matrix product per segment.

    A channel ``w · x`` has the variance ``w · S w``, where ``S`` is the covariance of the kernel's input windows: so
    the normalisation becomes part of the weights. Windows and weights are computed here in float32; the product, whose
    channels are where the next convolution needs them, is the beginning of the graph.
    """

    def __init__(self, layer: Any) -> None:
        conv, norm = layer.conv, layer.layer_norm
        self.size, self.step, self.eps = conv.kernel_size[0], conv.stride[0], norm.eps
        self.kernels, self.gain, self.bias = (
            each.detach().float().clone() for each in (conv.weight[:, 0], norm.weight, norm.bias)
        )

    @classmethod
    def of(cls, encoder: Any) -> NormalisedConvolution | None:
        """Return the first convolution of an encoder, if it is normalised over time."""
        front = getattr(encoder.model, "feature_extractor", None)
        layer = None if front is None else front.conv_layers[0]
        return cls(layer) if isinstance(getattr(layer, "layer_norm", None), nn.GroupNorm) else None

    def inputs(self, waves: Tensor) -> tuple[Tensor, Tensor]:
        """Compute windows and weights: ``(B, N)`` → ``(B, T, K + 1)`` and ``(B, K + 1, C)``."""
        windows = waves.unfold(1, self.size, self.step)
        windows = windows - windows.mean(1, keepdim=True)
        covariance = windows.mT @ windows / windows.shape[1]
        variance = ((self.kernels @ covariance) * self.kernels).sum(-1)
        weights = self.kernels * (self.gain * (variance + self.eps).rsqrt()).unsqueeze(-1)
        bias = self.bias.expand(len(waves), -1).unsqueeze(-1)
        return functional.pad(windows, (0, 1), value=1.0), torch.cat([weights, bias], 2).mT.contiguous()


class _HiddenStates(nn.Module):
    """The part that becomes the graph: all of an encoder behind its front end and behind the windows of its waves."""

    def __init__(self, encoder: Any, first: NormalisedConvolution | None) -> None:
        super().__init__()
        self.encoder = encoder
        self.first = first

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Compute hidden states from ``CompiledEncoder._inputs``."""
        if self.first is None:
            return tuple(self.encoder.hidden_states(*inputs))
        windows, weights = inputs
        front = self.encoder.model.feature_extractor
        vars(front)["forward"] = lambda _: self._convolve(windows, weights)
        try:
            return tuple(self.encoder.hidden_states(windows[:, :, 0]))
        finally:
            del vars(front)["forward"]

    def _convolve(self, windows: Tensor, weights: Tensor) -> Tensor:
        first, *rest = self.encoder.model.feature_extractor.conv_layers
        x: Tensor = first.activation(windows @ weights).transpose(1, 2)  # (B, C, T)
        for layer in rest:
            x = layer(x)
        return x


@torch.no_grad()
def _converted(module: nn.Module, example: tuple[Tensor, ...]) -> Any:
    """Convert a module, whose weights the graph shares.

    ``openvino.convert_model`` would do the same, but reports its use to Intel, and freezes the trace, which takes
    several times as long as all the rest.
    """
    core()
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch, that tracing is old and shapes become constants
        trace = torch.jit.trace(module, example, check_trace=False, strict=False)  # type: ignore[no-untyped-call]
        decoder = TorchScriptPythonDecoder(trace, example_input=example, skip_freeze=True)
        front_end = FrontEndManager().load_by_framework("pytorch")
        return front_end.convert(front_end.load(decoder))


def _filled(segments: Tensor) -> Tensor:
    """Fill a piece up with silence."""
    n_missing = PIECE - len(segments)
    return torch.cat([segments, segments.new_zeros(n_missing, *segments.shape[1:])]) if n_missing else segments


def _shapes(tensors: Sequence[Tensor]) -> list[torch.Size]:
    return [each.shape[1:] for each in tensors]
