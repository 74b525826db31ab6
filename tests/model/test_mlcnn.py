from __future__ import annotations

import pytest
import torch

from pcqtool.model.mlcnn import MLCNN
from pcqtool.model.pdc import PDC, PlainConv

CHANNELS, STRIDES = (16, 32, 48, 64), (2, 2, 2, 2)


def test_weights_are_the_papers() -> None:
    counted = sum(p.numel() for p in MLCNN(CHANNELS, STRIDES).parameters())
    assert counted == pytest.approx(0.092e6, rel=0.01)


@pytest.mark.parametrize("depth", [2, 3, 4])
@pytest.mark.parametrize("pdc", [True, False])
def test_every_layer_returns_a_map_of_half_the_size(depth: int, pdc: bool) -> None:
    maps = MLCNN(CHANNELS[:depth], STRIDES, pdc)(torch.randn(2, 1, 300, 200))
    sizes = [(16, 150, 100), (32, 75, 50), (48, 38, 25), (64, 19, 13)]
    assert [tuple(x.shape) for x in maps] == [(2, *size) for size in sizes[:depth]]


def test_strides_shrink_the_maps() -> None:
    maps = MLCNN((4, 8), (1, 3))(torch.randn(1, 1, 10, 7))
    assert [tuple(x.shape[2:]) for x in maps] == [(10, 7), (4, 3)]


def test_the_ablation_replaces_pdc_by_plain_convolutions() -> None:
    whole, plain = MLCNN(CHANNELS, STRIDES), MLCNN(CHANNELS, STRIDES, pdc=False)
    assert [sum(isinstance(m, PDC) for m in x.modules()) for x in (whole, plain)] == [4, 0]
    assert [sum(isinstance(m, PlainConv) for m in x.modules()) for x in (whole, plain)] == [0, 4]


def test_each_layer_builds_on_the_one_before() -> None:
    network = MLCNN((4, 8, 8), STRIDES)
    network(torch.randn(2, 1, 40, 32))[-1].sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.layers[0][0].parameters())
