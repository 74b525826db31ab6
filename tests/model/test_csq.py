from __future__ import annotations

import pytest
import torch
from torch import Tensor

from pcqtool.model.csq import CSQ, DILATIONS, ChannelNorm

SIZES = {(16, 32): 1624, (32, 48): 4728, (48, 64): 9368}


@pytest.fixture
def maps() -> tuple[Tensor, Tensor, Tensor]:
    """A shallow map, a deep one of a quarter of its size, and a query."""
    return torch.randn(2, 16, 38, 25), torch.randn(2, 32, 19, 13), torch.randn(2, 1, 38, 25)


@pytest.mark.parametrize(("channels", "n_weights"), list(SIZES.items()))
def test_weights_are_the_papers(channels: tuple[int, int], n_weights: int) -> None:
    assert sum(p.numel() for p in CSQ(*channels).parameters()) == n_weights


def test_shape_is_the_shallow_maps(maps: tuple[Tensor, Tensor, Tensor]) -> None:
    shallow, deep, query = maps
    assert CSQ(16, 32)(shallow, deep, query).shape == shallow.shape


@pytest.mark.parametrize(("number", "dilation"), [(0, 7), (1, 5), (2, 2), (3, 1)])
def test_the_receptive_field_of_a_group_follows_its_dilation(number: int, dilation: int) -> None:
    module = CSQ(16, 32)
    module.groups[number][1].weight.data.fill_(1.0)
    x = torch.randn(1, 9, 31, 31, requires_grad=True)
    module.groups[number](x)[0, 4, 15, 15].backward()
    assert x.grad is not None
    seen = {tuple(place) for place in x.grad[0].abs().sum(dim=0).nonzero().tolist()}
    steps = (15 - dilation, 15, 15 + dilation)
    assert seen == {(h, w) for h in steps for w in steps}


def test_dilations_are_the_papers() -> None:
    assert DILATIONS == (7, 5, 2, 1)


def test_the_receptive_field_is_the_union_of_the_four_groups() -> None:
    module = CSQ(8, 8)
    shallow = torch.randn(1, 8, 31, 31, requires_grad=True)
    module(shallow, torch.randn(1, 8, 16, 16), torch.randn(1, 1, 31, 31))[0, 0, 15, 15].backward()
    assert shallow.grad is not None
    for group, dilation in zip(shallow.grad[0].chunk(4), DILATIONS, strict=True):
        distances = (group.abs().sum(dim=0).nonzero() - 15).abs().flatten().unique().tolist()
        assert distances == [0, dilation]


def test_query_changes_the_result_and_learns(maps: tuple[Tensor, Tensor, Tensor]) -> None:
    shallow, deep, query = maps
    module = CSQ(16, 32)
    assert not torch.allclose(module(shallow, deep, query), module(shallow, deep, query.flip(2)), atol=1e-3)
    query.requires_grad_()
    module(shallow, deep, query).square().sum().backward()
    assert query.grad is not None
    assert (query.grad != 0).all()


def test_both_maps_and_all_weights_learn(maps: tuple[Tensor, Tensor, Tensor]) -> None:
    shallow, deep, query = maps
    module = CSQ(16, 32)
    module(shallow.requires_grad_(), deep.requires_grad_(), query).square().sum().backward()
    for x in (shallow, deep, *module.parameters()):
        assert x.grad is not None
        assert x.grad.abs().sum() > 0


def test_norm_is_over_the_channels_of_each_position() -> None:
    y = ChannelNorm(12)(5 + 3 * torch.randn(2, 12, 4, 3))
    torch.testing.assert_close(y.mean(dim=1), torch.zeros(2, 4, 3), atol=1e-5, rtol=0)
    torch.testing.assert_close(y.var(dim=1, correction=0), torch.ones(2, 4, 3), atol=1e-3, rtol=0)
