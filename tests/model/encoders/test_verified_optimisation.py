"""Computations are made wrong on purpose, so that the tests give the same result on every processor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from pcqtool.model.encoders import EncoderConfig, build, fast_inference
from pcqtool.model.encoders.pretrained import PretrainedEncoder
from pcqtool.model.encoders.verified_optimisation import Optimisation, apply_verified, probe_waves, states_agree

Config = Callable[..., EncoderConfig]
ATTENTION = "the fast attention"
FIRST, POSITIONS, LAYERS = (
    f"{part} in bfloat16" for part in ("the first convolutions", "the positional convolution", "the layers")
)
PARTS: dict[str, tuple[str, Callable[[Any], nn.Module]]] = {
    "first": (FIRST, lambda model: model.feature_extractor),
    "positions": (POSITIONS, lambda model: model.encoder.pos_conv_embed),
    "projection": (LAYERS, lambda model: model.feature_projection.projection),
    "layer": (LAYERS, lambda model: model.encoder.layers[1].feed_forward),
}
ALMOST = {torch.float32: 1e-4, torch.bfloat16: 0.05}


@pytest.fixture(autouse=True)
def _not_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """The optimisations are those of torch, as on a GPU."""
    monkeypatch.setattr(PretrainedEncoder, "_compile", lambda encoder, dtype: ())


@pytest.fixture
def encoder(encoder_config: Config) -> Callable[..., PretrainedEncoder]:
    """Makes a small encoder by its name, reading its first and its last hidden state."""

    def make(name: str) -> PretrainedEncoder:
        made = build(encoder_config(name, (0, -1)))
        assert isinstance(made, PretrainedEncoder)
        return made.eval()

    return make


def flipped(value: Any) -> Any:
    """Another value of the same shape, also of the first of several."""
    return (flipped(value[0]), *value[1:]) if isinstance(value, tuple) else value.flip(-1)


def spoil(module: nn.Module, dtype: torch.dtype) -> None:
    """Make a module wrong in one precision alone."""
    module.register_forward_hook(
        lambda module, _, out: flipped(out) if next(module.parameters()).dtype == dtype else out
    )


def optimise(encoder: PretrainedEncoder, dtype: torch.dtype) -> tuple[set[str], float]:
    """The rejected optimisations, and the relative error of the frames of a signal that is not the probe."""
    waves = torch.randn(3, 48000, generator=torch.Generator().manual_seed(7))
    with torch.inference_mode():
        front_end = encoder.front_end(waves)
        before = encoder(front_end)
    rejected = encoder.optimise_for_inference(dtype)
    with torch.inference_mode():
        after = encoder(front_end)
    assert after.dtype == torch.float32
    return {*rejected}, float((after - before).norm() / before.norm())


def dtypes(module: nn.Module) -> set[torch.dtype]:
    return {each.dtype for each in module.parameters()}


@pytest.mark.parametrize("name", ["wavlm", "wavlm-large", "wav2vec2", "hubert-large", "whisper"])
@pytest.mark.parametrize("dtype", ALMOST)
def test_frames_do_not_change_on_any_processor(encoder: Any, name: str, dtype: torch.dtype) -> None:
    _, error = optimise(encoder(name), dtype)
    assert error < ALMOST[dtype]


@pytest.mark.parametrize("dtype", ALMOST)
def test_a_wrong_optimisation_is_rejected(encoder: Any, monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype) -> None:
    right = fast_inference._FastAttention.__call__
    monkeypatch.setattr(fast_inference._FastAttention, "__call__", lambda *args: flipped(right(*args)))
    wavlm = encoder("wavlm")
    rejected, error = optimise(wavlm, dtype)
    assert ATTENTION in rejected
    assert error < ALMOST[dtype]
    assert "torch_multi_head_self_attention" not in vars(wavlm.model.encoder.layers[2].attention)


def test_an_optimisation_that_a_processor_cannot_run_is_rejected(encoder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("could not create a primitive")

    monkeypatch.setattr(fast_inference._FastAttention, "__call__", fail)
    rejected, error = optimise(encoder("wavlm"), torch.float32)
    assert rejected == {ATTENTION}
    assert error < 1e-4


def test_a_lack_of_memory_rejects_no_optimisation(encoder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("DefaultCPUAllocator: not enough memory")

    monkeypatch.setattr(fast_inference._FastAttention, "__call__", fail)
    with pytest.raises(MemoryError):
        encoder("wavlm").optimise_for_inference(torch.float32)


@pytest.mark.parametrize("name", ["wavlm", "wav2vec2-large", "hubert"])
@pytest.mark.parametrize("part", PARTS)
def test_a_part_that_is_wrong_in_bfloat16_stays_in_float32(encoder: Any, name: str, part: str) -> None:
    optimisation, module_of = PARTS[part]
    speechlike = encoder(name)
    spoilt = module_of(speechlike.model)
    spoil(spoilt, torch.bfloat16)
    weights = {key: value.clone() for key, value in spoilt.state_dict().items()}
    rejected, error = optimise(speechlike, torch.bfloat16)
    assert optimisation in rejected
    assert error < 0.05
    assert dtypes(spoilt) == {torch.float32}
    assert all(torch.equal(value, weights[key]) for key, value in spoilt.state_dict().items())


@pytest.mark.parametrize(
    ("name", "module_of"), [(FIRST, lambda model: model.conv1), (LAYERS, lambda model: model.layers[0].fc1)]
)
def test_a_wrong_part_of_whisper_stays_in_float32(
    encoder: Any, name: str, module_of: Callable[[Any], nn.Module]
) -> None:
    whisper = encoder("whisper")
    spoil(module_of(whisper.model), torch.bfloat16)
    rejected, error = optimise(whisper, torch.bfloat16)
    assert name in rejected
    assert error < 0.05
    assert dtypes(module_of(whisper.model)) == {torch.float32}


def test_correct_parts_are_converted_beside_a_wrong_one(encoder: Any) -> None:
    """No processor is asked: what each part computes in bfloat16 is what it computes in float32."""
    whisper = encoder("whisper")
    for module in (whisper.model.conv1, whisper.model.conv2):
        module.forward = lambda x, m=module: type(m).forward(m.float(), x.float()).to(x.dtype)
    spoil(whisper.model.layers[1].fc2, torch.bfloat16)
    rejected = whisper.optimise_for_inference(torch.bfloat16)
    assert LAYERS in rejected
    assert FIRST not in rejected
    assert dtypes(whisper.model.layers) == {torch.float32}


def test_if_only_the_whole_encoder_is_wrong_all_optimisations_are_reverted(
    encoder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    wavlm = encoder("wavlm")
    monkeypatch.setattr("pcqtool.model.encoders.verified_optimisation.states_agree", lambda *_: False)
    rejected, error = optimise(wavlm, torch.bfloat16)
    assert rejected == {ATTENTION, FIRST, POSITIONS, LAYERS}
    assert error == 0
    assert dtypes(wavlm) == {torch.float32}


def test_an_encoder_without_optimisations_is_not_probed(encoder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    whisper = encoder("whisper")
    monkeypatch.setattr(whisper, "encode", lambda *_: pytest.fail("probed"))
    assert whisper.optimise_for_inference(torch.float32) == ()


def test_each_optimisation_is_verified_by_its_own_modules() -> None:
    first, second = nn.Linear(2, 2), nn.Linear(2, 2)
    applied: list[str] = []

    def optimisation(name: str, module: nn.Linear, factor: float) -> Optimisation:
        def scale(by: float) -> None:
            applied.append(name) if by == factor else applied.remove(name)
            module.weight.data *= by

        return Optimisation(name, [module], lambda: scale(factor), lambda: scale(1 / factor), tolerance=0.1)

    x = torch.randn(1, 1, 3, 2)
    optimisations = [optimisation("good", first, 1.01), optimisation("bad", second, 2.0)]
    assert apply_verified(optimisations, lambda: second(first(x))) == ("bad",)
    assert applied == ["good"]


def test_hidden_states_are_compared_one_by_one() -> None:
    expected = torch.stack([torch.ones(1, 4, 3), 100 * torch.ones(1, 4, 3)], dim=1)
    assert states_agree(expected * 1.05, expected, 0.1)
    assert not states_agree(expected * 1.2, expected, 0.1)
    one_wrong = expected.clone()
    one_wrong[:, 0] = 2
    assert not states_agree(one_wrong, expected, 0.1)
    assert not states_agree(expected * torch.nan, expected, 0.1)


def test_the_probe_is_always_the_same() -> None:
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    assert torch.equal(probe_waves(800), probe_waves(800))
    assert torch.equal(torch.random.get_rng_state(), before)
