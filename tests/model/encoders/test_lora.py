from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from pcqtool.errors import ModelError
from pcqtool.model.encoders import EncoderConfig
from pcqtool.model.encoders.lora import AdaptedLinear, adapt, is_adaptation
from pcqtool.model.encoders.pretrained import PretrainedEncoder, load_pretrained, load_unchanging

Stock = Callable[[str], Path]


def changed(encoder: PretrainedEncoder) -> PretrainedEncoder:
    """The encoder as if its adapted blocks had learnt something."""
    torch.manual_seed(5)
    with torch.no_grad():
        for name, parameter in encoder.named_parameters():
            if is_adaptation(name):
                parameter.copy_(0.1 * torch.randn_like(parameter))
    return encoder


def load(directory: Path) -> PretrainedEncoder:
    return load_pretrained(directory, (2, 3), frozen=True, join=True, adapted=2, rank=3)


def test_a_layer_begins_as_it_was_and_can_be_changed_by_no_more_than_its_rank() -> None:
    linear = nn.Linear(6, 5)
    adapted = AdaptedLinear(linear, 2)
    x = torch.randn(4, 7, 6)
    assert torch.equal(adapted(x), linear(x))
    with torch.no_grad():
        adapted.up.normal_()
    change = adapted.merged().weight - linear.weight
    assert torch.linalg.matrix_rank(change.double(), tol=1e-5) == 2
    torch.testing.assert_close(adapted(x), x @ (linear.weight + change).T + linear.bias)
    torch.testing.assert_close(adapted.merged()(x), adapted(x))


def test_nothing_but_the_changes_of_the_highest_blocks_learns(stock: Stock, waves: Tensor) -> None:
    encoder = load(stock("whisper"))
    learning = [name for name, parameter in encoder.named_parameters() if parameter.requires_grad]
    assert all(is_adaptation(name) and name.startswith(("model.layers.1.", "model.layers.2.")) for name in learning)
    assert len(learning) == 2 * 6 * 2  # blocks, linear layers, down and up
    changed(encoder)(encoder.front_end(waves)).square().sum().backward()
    for name, parameter in encoder.named_parameters():
        assert (parameter.grad is not None and bool(parameter.grad.any())) == (name in learning)


def test_frames_go_on_from_what_is_kept_and_stay_when_merged(stock: Stock, waves: Tensor) -> None:
    encoder = changed(load(stock("whisper")))
    heard = encoder.front_end(waves)
    with torch.inference_mode():
        frames = encoder(heard)
        fixed = load_unchanging(stock("whisper"), encoder.config)
        kept = torch.stack(fixed.hidden_states(heard), 1)
        assert kept.shape[1] == 1
        assert encoder.kept_layers() == fixed.layer_indices() == (1,)
        torch.testing.assert_close(encoder.resume(kept), frames, atol=1e-4, rtol=1e-4)
        plain = load_pretrained(stock("whisper"), (2, 3), frozen=True, join=True)
        assert (plain(heard) - frames).abs().max() > 0.01
        merged = copy.deepcopy(encoder)
        merged.prepare(torch.float32)
        torch.testing.assert_close(merged(heard), frames, atol=1e-4, rtol=1e-4)
    assert merged.model.state_dict().keys() == plain.model.state_dict().keys()


@pytest.mark.parametrize(
    ("layers", "settings"),
    [
        ((2,), {"frozen": False, "adapted": 1}),
        ((2,), {"frozen": True, "adapted": -1}),
        ((2,), {"frozen": True, "adapted": 1, "rank": 0}),
    ],
)
def test_settings_that_cannot_be_are_refused(layers: tuple[int, ...], settings: dict[str, int]) -> None:
    with pytest.raises(ModelError):
        EncoderConfig("whisper", {}, layers, **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize(("layers", "adapted"), [((0, 3), 2), ((2,), 3)])
def test_layers_below_the_adapted_blocks_are_refused(stock: Stock, layers: tuple[int, ...], adapted: int) -> None:
    with pytest.raises(ModelError, match="adapted blocks"):
        load_pretrained(stock("whisper"), layers, frozen=True, adapted=adapted)


def test_other_kinds_and_blocks_without_linear_layers_are_refused() -> None:
    with pytest.raises(ModelError, match="whisper"):
        EncoderConfig("wavlm", {}, frozen=True, adapted=1)
    with pytest.raises(ModelError, match="no linear"):
        adapt(nn.ModuleList([nn.ReLU()]), 2)
