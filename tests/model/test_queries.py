"""The query token of the CSQ modules: the paper's reading and a learned projection; a gate behind them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from pcqtool.errors import ModelError
from pcqtool.model.pcq import PCQ, PCQConfig

Network = Callable[..., PCQ]


@pytest.mark.parametrize("pool", [(1, 1), (8, 4)])
def test_a_projected_query_has_the_width_of_its_map(network: Network, waves: Tensor, pool: tuple[int, int]) -> None:
    model = network("wavlm", query="projected", spectrogram_pool=pool).eval()
    maps = model.mlcnn(model.normalised_spectrogram(waves[:1]))
    assert [layer.weight.shape[0] for layer in model.query] == [each.shape[3] for each in maps[:-1]]
    assert model(waves[:2]).logits.shape == (2, 4)


def test_projections_learn(network: Network, waves: Tensor) -> None:
    model = network("wavlm", query="projected")
    model(waves[:2]).logits.square().sum().backward()
    assert all((layer.weight.grad != 0).any() for layer in model.query)


def test_a_constant_over_all_elements_of_a_frame_can_vanish_in_a_projection(network: Network, waves: Tensor) -> None:
    model = network("wavlm", query="projected").eval()
    with torch.no_grad():
        for layer in model.query:
            layer.weight.zero_()
    silenced = model(waves[:2])
    assert silenced.frames is not None
    maps = model.mlcnn(model.normalised_spectrogram(waves[:2]))
    nothing = model.csq[0](maps[0], maps[1], torch.zeros(2, 1, *maps[0].shape[2:]))
    torch.testing.assert_close(silenced.embedding[:, :16], nothing.mean(dim=(2, 3)), atol=1e-5, rtol=1e-4)


def test_a_gate_starts_without_the_queries_and_learns(network: Network, waves: Tensor) -> None:
    model = network("wavlm", csq_gate=True)
    with torch.no_grad():
        model.eval()
        before = model(waves[:2]).logits
        for module in model.csq:
            module.join[1].bias.add_(1.0)  # changes z1 to z3
        torch.testing.assert_close(model(waves[:2]).logits, before)
    model.train()(waves[:2]).logits.square().sum().backward()
    assert model.gate is not None
    assert (model.gate.grad != 0).any()


@pytest.mark.parametrize("changes", [{"query": "guessed"}, {"csq_gate": 1}, {"frame_pool": 0}, {"frame_pool": 2}])
def test_impossible_settings_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ModelError):
        PCQConfig(("anger", "neutral"), **changes)  # type: ignore[arg-type]
