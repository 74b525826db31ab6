from __future__ import annotations

import pytest
import torch
from torch import nn

from pcqtool.model.pdc import PDC, ChannelAttention, PlainConv


def count(module: nn.Module, *kinds: type[nn.Module]) -> int:
    """Weights of the parts of some kinds."""
    return sum(p.numel() for part in module.modules() if isinstance(part, kinds) for p in part.parameters())


@pytest.mark.parametrize("channels", [3, 12, 16, 24, 32, 48, 64, 96])
def test_weights_are_the_papers(channels: int) -> None:
    counted = count(PDC(channels), nn.Conv2d, nn.Linear)
    rounding = 4 * channels * abs(2 * channels / 6 - round(2 * channels / 6))  # of the reduction by 6
    assert counted == pytest.approx(16 / 3 * channels**2 + 18 * channels, abs=rounding + 1e-6)


def test_the_papers_count_excludes_only_the_norms() -> None:
    block = PDC(16)
    assert sum(p.numel() for p in block.parameters()) == count(block, nn.Conv2d, nn.Linear, nn.BatchNorm2d)


@pytest.mark.parametrize("channels", [4, 16, 64])
def test_plain_convolution_has_9_c_squared(channels: int) -> None:
    assert count(PlainConv(channels), nn.Conv2d) == 9 * channels**2


@pytest.mark.parametrize("block", [PDC, PlainConv])
@pytest.mark.parametrize("size", [(38, 25), (5, 7), (1, 1)])
def test_shape_is_kept(block: type[nn.Module], size: tuple[int, int]) -> None:
    assert block(8)(torch.randn(2, 8, *size)).shape == (2, 8, *size)


def test_depthwise_convolution_sees_3_by_3_of_its_own_channel() -> None:
    depthwise = PDC(2)[3]
    x = torch.zeros(1, 4, 9, 9, requires_grad=True)
    depthwise(x)[0, 1, 4, 4].backward()
    assert x.grad is not None
    seen = x.grad[0].nonzero()
    assert set(seen[:, 0].tolist()) == {1}
    assert {tuple(place) for place in seen[:, 1:].tolist()} == {(h, w) for h in (3, 4, 5) for w in (3, 4, 5)}


def test_attention_weighs_whole_channels_between_0_and_1() -> None:
    attention = ChannelAttention(12)
    attention.squeeze.weight.data.abs_()  # both hidden units are awake
    x = torch.rand(3, 12, 6, 5) + 0.5
    weights = attention(x) / x
    torch.testing.assert_close(weights, weights[:, :, :1, :1].expand_as(weights))
    assert 0 < weights.min() < weights.max() < 1
    means = x.mean(dim=(2, 3))
    by_hand = torch.sigmoid((means @ attention.squeeze.weight.T).relu() @ attention.excite.weight.T)
    torch.testing.assert_close(weights[:, :, 0, 0], by_hand)


def test_attention_of_few_channels_keeps_one_hidden_unit() -> None:
    assert ChannelAttention(2).squeeze.out_features == 1
