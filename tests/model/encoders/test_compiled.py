from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from pcqtool.errors import ModelError
from pcqtool.model.encoders import EncoderConfig, PretrainedEncoder, compiled
from pcqtool.model.encoders.compiled import PIECE, CompiledEncoder
from pcqtool.model.encoders.pretrained import COMPILED

WAVES = {
    "hidden_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 96,
    "conv_dim": [32, 32, 32],
    "conv_kernel": [10, 8, 4],
    "conv_stride": [5, 8, 8],
    "num_feat_extract_layers": 3,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 2,
}
"""Sizes with as many channels per kernel as bfloat16 needs."""

NARROW = WAVES | {"conv_dim": [8, 8, 8]}
LARGE = WAVES | {"do_stable_layer_norm": True, "feat_extract_norm": "layer", "conv_bias": True}
WHISPER = {"d_model": 64, "encoder_layers": 3, "encoder_attention_heads": 4, "encoder_ffn_dim": 96}
ENCODERS: dict[str, tuple[str, dict[str, Any]]] = {
    "wavlm": ("wavlm", WAVES),
    "wavlm-large": ("wavlm", LARGE),
    "wav2vec2": ("wav2vec2", WAVES),
    "wav2vec2-large": ("wav2vec2", LARGE | {"standardised_input": True}),
    "hubert": ("hubert", WAVES),
    "hubert-large": ("hubert", LARGE),
    "whisper": ("whisper", WHISPER),
}
ALL_LAYERS = (0, 1, 2, -1)
TOLERANCES = {torch.float32: 1e-5, torch.bfloat16: 0.03}


def plain(name: str = "wavlm", layers: tuple[int, ...] = ALL_LAYERS) -> PretrainedEncoder:
    kind, sizes = ENCODERS[name]
    return PretrainedEncoder(EncoderConfig(kind, sizes, layers, frozen=True)).freeze()


def optimised(encoder: PretrainedEncoder, dtype: torch.dtype = torch.float32) -> PretrainedEncoder:
    found = copy.deepcopy(encoder)
    assert found.optimise_for_inference(dtype) == ()
    assert found.compiled is not None
    return found


def states(encoder: PretrainedEncoder, waves: Tensor) -> Tensor:
    with torch.inference_mode():
        return encoder.encode(waves)


def errors(found: Tensor, expected: Tensor) -> list[float]:
    """The relative error of each hidden state."""
    assert found.shape == expected.shape
    assert found.dtype == torch.float32
    return [float((a - b).norm() / b.norm()) for a, b in zip(found.unbind(1), expected.unbind(1), strict=True)]


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("name", ENCODERS)
def test_all_hidden_states_are_those_of_torch(name: str, dtype: torch.dtype, waves: Tensor) -> None:
    encoder = plain(name)
    assert max(errors(states(optimised(encoder, dtype), waves[:5]), states(encoder, waves[:5]))) < TOLERANCES[dtype]


@pytest.mark.parametrize("wave", [torch.zeros(2, 48000), 0.5 + 1e-3 * torch.randn(2, 48000)])
def test_silence_and_offsets(wave: Tensor) -> None:
    encoder = plain()
    torch.testing.assert_close(states(optimised(encoder), wave), states(encoder, wave), atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("name", ["wavlm", "hubert-large", "whisper"])
def test_a_segment_does_not_depend_on_its_batch(name: str, dtype: torch.dtype, waves: Tensor) -> None:
    encoder = optimised(plain(name), dtype)
    together = states(encoder, waves)
    alone = torch.cat([states(encoder, wave.unsqueeze(0)) for wave in waves])
    assert torch.equal(together, alone)
    assert torch.equal(states(encoder, waves[1 : 2 + PIECE]), together[1 : 2 + PIECE])


def test_the_first_batch_decides_the_length_of_segments(waves: Tensor) -> None:
    encoder = plain("wav2vec2")
    found = optimised(encoder)
    assert max(errors(states(found, waves[:3, :24000]), states(encoder, waves[:3, :24000]))) < 1e-5
    with pytest.raises(ModelError, match="another length"):
        states(found, waves)
    states(found, waves[3:, :24000])


def test_a_compiled_encoder_has_no_weights_of_torch_but_the_mix() -> None:
    encoder = optimised(plain())
    assert [name for name, _ in encoder.named_parameters()] == ["mix"]
    assert encoder.optimise_for_inference(torch.bfloat16) == ()
    with torch.inference_mode():
        assert encoder(torch.randn(2, 48000)).shape[2] == 64


def test_what_a_compiled_encoder_cannot_do_is_refused() -> None:
    encoder = optimised(plain())
    for refused in (lambda: copy.deepcopy(encoder), lambda: pickle.dumps(encoder), lambda: encoder.use_layer(1)):
        with pytest.raises(ModelError, match="compiled encoder"):
            refused()
    assert states(encoder.to("cpu"), torch.randn(1, 48000)).isfinite().all()


def test_narrow_convolutions_stay_in_torch_in_bfloat16(waves: Tensor) -> None:
    encoder = PretrainedEncoder(EncoderConfig("hubert", NARROW)).eval()
    expected = states(encoder, waves)
    assert COMPILED not in encoder.optimise_for_inference(torch.bfloat16)
    assert encoder.compiled is None
    assert max(errors(states(encoder, waves), expected)) < 0.05


def _wrong(right: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *args: [each.flip(1) for each in right(*args)]


def _fail(error: Exception) -> Callable[..., Any]:
    def fail(*_: Any) -> None:
        raise error

    return fail


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("fault", ["missing", "fails", "wrong"])
def test_torch_computes_what_openvino_cannot(
    fault: str, dtype: torch.dtype, waves: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    if fault == "wrong":
        monkeypatch.setattr(CompiledEncoder, "compute", _wrong(CompiledEncoder.compute))
    else:
        error = ImportError("No module named 'openvino'") if fault == "missing" else RuntimeError("no such operation")
        monkeypatch.setattr(compiled, "_converted", _fail(error))
    encoder = plain()
    expected = states(encoder, waves)
    assert COMPILED in encoder.optimise_for_inference(dtype)
    assert encoder.compiled is None
    assert max(errors(states(encoder, waves), expected)) < 0.05
    copy.deepcopy(encoder)


def test_a_lack_of_memory_is_no_reason_for_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "_converted", _fail(RuntimeError("out of memory")))
    with pytest.raises(MemoryError):
        plain().optimise_for_inference(torch.float32)


def test_compiling_loads_nothing_that_reports_its_use() -> None:
    code = (
        "import socket, sys, torch\n"
        "def refuse(*_): raise OSError('a socket was opened')\n"
        "socket.socket.__init__ = refuse\n"
        "from pcqtool.model.encoders import EncoderConfig, build\n"
        f"encoder = build(EncoderConfig('hubert', {WAVES})).eval()\n"
        "assert encoder.optimise_for_inference(torch.float32) == ()\n"
        "print(sorted({'openvino_telemetry', 'openvino.tools'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
