from __future__ import annotations

import pytest
import torch

from pcqtool.model.attention import TimeAttention, valid_steps


@pytest.mark.parametrize(("height", "n_frames"), [(19, 149), (19, 19), (5, 150), (1, 75), (30, 7)])
def test_shape_is_one_frame(height: int, n_frames: int) -> None:
    attention = TimeAttention(8)
    assert attention(torch.randn(3, 8, height, 4), torch.randn(3, n_frames, 24)).shape == (3, 24)


def test_identical_frames_are_unchanged() -> None:
    frame = torch.randn(2, 1, 24)
    result = TimeAttention(8)(torch.randn(2, 8, 19, 13), frame.expand(2, 149, 24))
    torch.testing.assert_close(result, frame[:, 0])


def test_weights_follow_the_map_in_time() -> None:
    attention = TimeAttention(1)
    torch.nn.init.constant_(attention.score.weight, 50.0)
    x4 = torch.zeros(1, 1, 5, 3)
    x4[0, 0, 3] = 1.0  # the fourth of five steps
    time = torch.arange(41.0)[None, :, None]
    assert attention(x4, time).item() == pytest.approx(30, abs=0.1)  # three quarters of the way from 0 to 40


def test_every_weight_learns_and_so_do_map_and_frames() -> None:
    attention = TimeAttention(8)
    x4, frames = torch.randn(2, 8, 19, 13, requires_grad=True), torch.randn(2, 149, 24, requires_grad=True)
    attention(x4, frames).square().sum().backward()
    for x in (x4, frames, *attention.parameters()):
        assert x.grad is not None
        assert x.grad.abs().max() > 1e-6


def test_frames_beyond_the_valid_fraction_have_no_weight() -> None:
    attention = TimeAttention(8)
    x4, frames, share = torch.randn(3, 8, 19, 4), torch.randn(3, 150, 24), torch.tensor([1.0, 0.25, 0.001])
    loud = frames.clone()
    loud[1, 38:], loud[2, 1:] = 1e6, -1e6
    result = attention(x4, loud, share)
    assert torch.equal(result, attention(x4, frames, share))
    torch.testing.assert_close(result[0], attention(x4, frames)[0])
    torch.testing.assert_close(result[2], frames[2, 0])


@pytest.mark.parametrize(
    ("n_samples", "n_inside"), [(48000, 150), (47999, 150), (16000, 50), (16001, 51), (320, 1), (321, 2), (0, 1)]
)
def test_frames_that_begin_in_the_recording_are_valid(n_samples: int, n_inside: int) -> None:
    inside = valid_steps(torch.tensor([n_samples]) / 48000, 150)[0]
    assert inside.tolist() == [True] * n_inside + [False] * (150 - n_inside)
