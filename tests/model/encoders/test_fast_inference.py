from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional

from pcqtool.model.encoders import EncoderConfig, PretrainedEncoder
from pcqtool.model.encoders.fast_inference import (
    MIN_BFLOAT16_CHANNELS,
    keep_narrow_convolutions_exact,
    reduced_precision,
)


@pytest.mark.parametrize("per_group", [2, 8, MIN_BFLOAT16_CHANNELS - 1])
@pytest.mark.parametrize("groups", [1, 4])
def test_convolutions_of_few_channels_compute_in_float32(per_group: int, groups: int) -> None:
    conv = nn.Conv1d(groups * per_group, groups * per_group, 16, padding=8, groups=groups)
    x = torch.randn(2, groups * per_group, 60)
    plain = conv(x)
    keep_narrow_convolutions_exact(conv)
    assert torch.equal(conv(x), plain)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(conv(x), plain)
    rounded = copy.deepcopy(conv).bfloat16()
    assert rounded.bias is not None
    expected = functional.conv1d(
        x.bfloat16().float(), rounded.weight.float(), rounded.bias.float(), padding=8, groups=groups
    )
    assert torch.equal(rounded(x.bfloat16()), expected.bfloat16())


def test_convolutions_of_many_channels_or_one_are_unchanged() -> None:
    for conv in (
        nn.Conv1d(2 * MIN_BFLOAT16_CHANNELS, 2 * MIN_BFLOAT16_CHANNELS, 3, groups=2),
        nn.Conv1d(1, 4, 3),
        nn.Conv1d(4, 4, 3, groups=4),
    ):
        keep_narrow_convolutions_exact(conv)
        assert "_conv_forward" not in vars(conv)


@pytest.mark.parametrize("name", ["wavlm", "wav2vec2-large", "hubert", "whisper"])
def test_every_used_weight_belongs_to_one_part(encoder_config: Callable[..., EncoderConfig], name: str) -> None:
    model = PretrainedEncoder(encoder_config(name)).eval().model
    assert reduced_precision(model, torch.float32) == []
    parts = [
        [each for module in optimisation.modules for each in module.parameters()]
        for optimisation in reduced_precision(model, torch.bfloat16)
    ]
    weights = {id(each) for name, each in model.named_parameters() if name != "masked_spec_embed"}
    assert sorted(id(each) for part in parts for each in part) == sorted(weights)
