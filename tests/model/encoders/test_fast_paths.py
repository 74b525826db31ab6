"""What is wrong here is wrong on purpose, so that every processor shows the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from pcqtool.model.encoders import EncoderConfig, build, fast_inference
from pcqtool.model.encoders.comparison import alike, probe_waves
from pcqtool.model.encoders.fast_paths import Way, settle
from pcqtool.model.encoders.pretrained import PretrainedEncoder

Config = Callable[..., EncoderConfig]
ATTENTION, FRONT = "the quicker attention", "the quicker convolutions of the waves"
FIRST, POSITIONS, LAYERS = (
    f"{part} in bfloat16" for part in ("the first convolutions", "the convolution for positions", "the layers")
)
PARTS: dict[str, tuple[str, Callable[[Any], nn.Module]]] = {
    "first": (FIRST, lambda model: model.feature_extractor),
    "positions": (POSITIONS, lambda model: model.encoder.pos_conv_embed),
    "projection": (LAYERS, lambda model: model.feature_projection.projection),
    "layer": (LAYERS, lambda model: model.encoder.layers[1].feed_forward),
}
ALMOST = {torch.float32: 1e-4, torch.bfloat16: 0.05}


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


def prepare(encoder: PretrainedEncoder, dtype: torch.dtype) -> tuple[set[str], float]:
    """The ways that were not taken, and the relative error of the frames of a sound that is not the probe."""
    waves = torch.randn(3, 48000, generator=torch.Generator().manual_seed(7))
    with torch.inference_mode():
        heard = encoder.front_end(waves)
        before = encoder(heard)
    left = encoder.prepare(dtype)
    with torch.inference_mode():
        after = encoder(heard)
    assert after.dtype == torch.float32
    return {*left}, float((after - before).norm() / before.norm())


def dtypes(module: nn.Module) -> set[torch.dtype]:
    return {each.dtype for each in module.parameters()}


@pytest.mark.parametrize("name", ["wavlm", "wavlm-large", "wav2vec2", "hubert-large", "whisper"])
@pytest.mark.parametrize("dtype", ALMOST)
def test_frames_stay_what_they_are_on_every_processor(encoder: Any, name: str, dtype: torch.dtype) -> None:
    _, error = prepare(encoder(name), dtype)
    assert error < ALMOST[dtype]


@pytest.mark.parametrize(("way", "quicker"), [(ATTENTION, fast_inference._Attention), (FRONT, fast_inference._Front)])
@pytest.mark.parametrize("dtype", ALMOST)
def test_a_quicker_way_that_is_wrong_is_not_taken(
    encoder: Any, monkeypatch: pytest.MonkeyPatch, way: str, quicker: type, dtype: torch.dtype
) -> None:
    right = quicker.__call__
    monkeypatch.setattr(quicker, "__call__", lambda *given: flipped(right(*given)))
    wavlm = encoder("wavlm")
    left, error = prepare(wavlm, dtype)
    assert left & {ATTENTION, FRONT} == {way}
    assert error < ALMOST[dtype]
    taken = {
        ATTENTION: "torch_multi_head_self_attention" in vars(wavlm.model.encoder.layers[2].attention),
        FRONT: "forward" in vars(wavlm.model.feature_extractor),
    }
    assert taken == {name: name != way for name in taken}


def test_a_way_that_a_processor_cannot_go_is_not_taken(encoder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("could not create a primitive")

    monkeypatch.setattr(fast_inference._Attention, "__call__", fail)
    left, error = prepare(encoder("wavlm"), torch.float32)
    assert left == {ATTENTION}
    assert error < 1e-4


def test_a_lack_of_memory_is_no_lack_of_a_way(encoder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("DefaultCPUAllocator: not enough memory")

    monkeypatch.setattr(fast_inference._Attention, "__call__", fail)
    with pytest.raises(MemoryError):
        encoder("wavlm").prepare(torch.float32)


@pytest.mark.parametrize("name", ["wavlm", "wav2vec2-large", "hubert"])
@pytest.mark.parametrize("part", PARTS)
def test_a_part_that_is_wrong_in_bfloat16_stays_in_float32(encoder: Any, name: str, part: str) -> None:
    way, module_of = PARTS[part]
    speechlike = encoder(name)
    spoilt = module_of(speechlike.model)
    spoil(spoilt, torch.bfloat16)
    weights = {key: value.clone() for key, value in spoilt.state_dict().items()}
    left, error = prepare(speechlike, torch.bfloat16)
    assert way in left
    assert error < 0.05
    assert dtypes(spoilt) == {torch.float32}
    assert all(torch.equal(value, weights[key]) for key, value in spoilt.state_dict().items())


@pytest.mark.parametrize(
    ("way", "module_of"), [(FIRST, lambda model: model.conv1), (LAYERS, lambda model: model.layers[0].fc1)]
)
def test_whispers_parts_do_as_well(encoder: Any, way: str, module_of: Callable[[Any], nn.Module]) -> None:
    whisper = encoder("whisper")
    spoil(module_of(whisper.model), torch.bfloat16)
    left, error = prepare(whisper, torch.bfloat16)
    assert way in left
    assert error < 0.05
    assert dtypes(module_of(whisper.model)) == {torch.float32}


def test_parts_that_are_right_are_rounded_beside_one_that_is_wrong(encoder: Any) -> None:
    """No processor is asked: what each part computes in bfloat16 is what it computes in float32."""
    whisper = encoder("whisper")
    for module in (whisper.model.conv1, whisper.model.conv2):
        module.forward = lambda x, m=module: type(m).forward(m.float(), x.float()).to(x.dtype)
    spoil(whisper.model.layers[1].fc2, torch.bfloat16)
    left = whisper.prepare(torch.bfloat16)
    assert LAYERS in left
    assert FIRST not in left
    assert dtypes(whisper.model.layers) == {torch.float32}


def test_where_only_the_whole_is_wrong_the_encoder_stays_as_it_was(
    encoder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    wavlm = encoder("wavlm")
    monkeypatch.setattr("pcqtool.model.encoders.fast_paths.alike", lambda *_: False)
    left, error = prepare(wavlm, torch.bfloat16)
    assert left == {ATTENTION, FRONT, FIRST, POSITIONS, LAYERS}
    assert error == 0
    assert dtypes(wavlm) == {torch.float32}


def test_what_has_no_quicker_way_is_not_probed(encoder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    whisper = encoder("whisper")
    monkeypatch.setattr(whisper, "states", lambda *_: pytest.fail("probed"))
    assert whisper.prepare(torch.float32) == ()


def test_each_way_is_judged_by_its_own_modules() -> None:
    first, second = nn.Linear(2, 2), nn.Linear(2, 2)
    taken: list[str] = []

    def way(name: str, module: nn.Linear, factor: float) -> Way:
        def scale(by: float) -> None:
            taken.append(name) if by == factor else taken.remove(name)
            module.weight.data *= by

        return Way(name, [module], lambda: scale(factor), lambda: scale(1 / factor), tolerance=0.1)

    x = torch.randn(1, 1, 3, 2)
    ways = [way("good", first, 1.01), way("bad", second, 2.0)]
    assert settle(ways, lambda: second(first(x))) == ("bad",)
    assert taken == ["good"]


def test_alike_is_judged_state_by_state() -> None:
    expected = torch.stack([torch.ones(1, 4, 3), 100 * torch.ones(1, 4, 3)], dim=1)
    assert alike(expected * 1.05, expected, 0.1)
    assert not alike(expected * 1.2, expected, 0.1)
    one_wrong = expected.clone()
    one_wrong[:, 0] = 2
    assert not alike(one_wrong, expected, 0.1)
    assert not alike(expected * torch.nan, expected, 0.1)


def test_the_probe_is_always_the_same() -> None:
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    assert torch.equal(probe_waves(800), probe_waves(800))
    assert torch.equal(torch.random.get_rng_state(), before)
