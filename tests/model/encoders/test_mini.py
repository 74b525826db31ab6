"""Nothing here depends on the sizes of the encoder."""

from __future__ import annotations

import itertools
import subprocess
import sys

import pytest
import torch
from torch import Tensor

from pcqtool.model.encoders import EncoderConfig, MiniEncoder


@pytest.fixture
def encoder() -> MiniEncoder:
    return MiniEncoder(EncoderConfig("mini")).eval()


def test_frames_come_in_equal_steps(encoder: MiniEncoder, waves: Tensor) -> None:
    frames = encoder(encoder.front_end(waves))
    half = encoder(encoder.front_end(waves[:, :24000]))
    assert frames.shape == (8, frames.shape[1], encoder.dim)
    assert half.shape[1] == pytest.approx(frames.shape[1] / 2, abs=1)


def test_every_layer_can_be_selected(encoder: MiniEncoder, waves: Tensor) -> None:
    every = MiniEncoder(EncoderConfig("mini", layers=tuple(range(encoder.n_layers + 1)))).eval()
    states = every.hidden_states(every.front_end(waves))
    assert len({tuple(state.shape) for state in states}) == 1
    assert not any(torch.equal(a, b) for a, b in itertools.pairwise(states))


def test_gain_does_not_matter(encoder: MiniEncoder, waves: Tensor) -> None:
    loud = waves[4:]
    torch.testing.assert_close(encoder.front_end(loud * 0.25), encoder.front_end(loud), atol=1e-4, rtol=0)


def test_digital_silence_is_finite(encoder: MiniEncoder) -> None:
    assert encoder(encoder.front_end(torch.zeros(1, 48000))).isfinite().all()


def test_front_end_takes_no_gradient_and_no_half_precision(encoder: MiniEncoder, waves: Tensor) -> None:
    with torch.autocast("cpu", torch.bfloat16):
        encoder_input = encoder.front_end(waves)
    assert encoder_input.dtype == torch.float32
    assert not encoder_input.requires_grad
    assert torch.equal(encoder_input, encoder.front_end(waves))


def test_building_it_needs_no_transformers() -> None:
    program = (
        "import sys; from pcqtool.model.encoders import EncoderConfig, build; build(EncoderConfig('mini')); "
        "sys.exit('transformers' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
