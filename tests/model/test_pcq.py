from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from pcqtool.audio.spectrogram import Spectrogram, SpectrogramSettings
from pcqtool.errors import ModelError
from pcqtool.model.encoders import EncoderConfig
from pcqtool.model.pcq import PCQ, PCQConfig

Network = Callable[..., PCQ]
LABELS = ("anger", "happiness", "neutral", "sadness")
ABLATIONS: dict[str, dict[str, Any]] = {
    "whole": {"name": "wavlm"},
    "w/o PDC": {"name": "wavlm", "pdc": False},
    "w/o CSQ": {"name": "wavlm", "csq": False},
    "w/o MLCNN": {"name": "wavlm", "mlcnn": False},
    "w/o WavLM": {"name": "none"},
    "wav2vec 2.0 for WavLM": {"name": "wav2vec2"},
    "HuBERT for WavLM": {"name": "hubert"},
    "Whisper for WavLM": {"name": "whisper"},
    "mini for WavLM": {"name": "mini"},
}


def settled(model: PCQ, waves: Tensor) -> PCQ:
    """The network in evaluation mode, its normalisation used to the data, its logits far apart."""
    for part in model.modules():
        if isinstance(part, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
            part.momentum = None
    with torch.no_grad():
        model.train()(waves)
        model.classifier[-1].weight.mul_(20)
    return model.eval()


def test_the_number_of_weights_is_the_papers() -> None:
    from transformers import WavLMConfig

    encoder = EncoderConfig("wavlm", WavLMConfig().to_diff_dict())
    with torch.device("meta"):
        model = PCQ(PCQConfig(LABELS, encoder=encoder))
    assert model.encoder is not None
    assert sum(p.numel() for p in model.encoder.parameters()) == 94_381_936
    assert sum(p.numel() for p in model.parameters()) == pytest.approx(97.99e6, rel=0.01)


@pytest.mark.parametrize("depth", [2, 3, 4])
@pytest.mark.parametrize("ablation", ABLATIONS)
def test_every_ablation_runs_and_learns(network: Network, waves: Tensor, ablation: str, depth: int) -> None:
    channels = (8, 12, 16, 20)[:depth]
    model = network(**ABLATIONS[ablation], mlcnn_channels=channels).train()
    prediction = model(waves[:3])
    torch.nn.functional.cross_entropy(prediction.logits, torch.tensor([0, 1, 2])).backward()
    has_encoder = ablation != "w/o WavLM"
    assert prediction.logits.shape == (3, 4)
    assert prediction.embedding.shape == (3, model.fusion_width)
    assert (prediction.frames is not None) == has_encoder
    assert len(model.csq) == (depth - 1 if has_encoder and ablation not in ("w/o CSQ", "w/o MLCNN") else 0)
    idle = {
        name
        for name, p in model.named_parameters()
        if p.requires_grad and (p.grad is None or not p.grad.isfinite().all() or not p.grad.abs().sum() > 0)
    }
    assert {name for name in idle if not name.endswith("masked_spec_embed")} == set()


def test_fusion_is_the_gaps_and_q4(network: Network, waves: Tensor) -> None:
    model = network("wavlm").eval()
    model.config = replace(model.config, mean_db=-30.0, sd_db=7.0)
    with torch.no_grad():
        _, fusion, frames = model(waves[:2])
        level = Spectrogram(SpectrogramSettings())(waves[:2])
        maps = model.mlcnn((level[:, None] + 30) / 7)
        assert model.encoder is not None
        assert frames is not None
        assert torch.equal(frames, model.encoder(model.encoder.front_end(waves[:2])))
        query = [torch.nn.functional.adaptive_avg_pool2d(frames[:, None], x.shape[2:]) for x in maps[:3]]
        z = [csq(*each) for csq, *each in zip(model.csq, maps, maps[1:], query, strict=False)]
        gaps = [x.mean(dim=(2, 3)) for x in (*z, maps[3])]
        expected = torch.cat((*gaps, model.attention(maps[3], frames)), dim=1)
    assert model.fusion_width == 16 + 32 + 48 + 64 + model.encoder.dim
    torch.testing.assert_close(fusion, expected, atol=1e-5, rtol=1e-4)


def test_fusion_without_csq_and_without_encoder(network: Network, waves: Tensor) -> None:
    without_csq, without_encoder = network("wavlm", csq=False), network("none")
    assert without_csq.encoder is not None
    assert without_csq(waves[:2]).embedding.shape == (2, 64 + without_csq.encoder.dim)
    assert without_encoder(waves[:2]).embedding.shape == (2, 64)


def test_query_changes_the_output_and_learns(network: Network, waves: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    model = network("wavlm").eval()
    before = model(waves[:2])
    assert before.frames is not None
    frames = (2 * before.frames.flip(1)).detach().requires_grad_()
    monkeypatch.setattr(model.encoder, "forward", lambda encoder_input: frames)
    after = model(waves[:2])
    queried, own = slice(0, 96), slice(96, 160)  # Gap(z1) to Gap(z3), and Gap(x4)
    assert (after.embedding - before.embedding)[:, queried].abs().max() > 1e-3
    torch.testing.assert_close(after.embedding[:, own], before.embedding[:, own])
    assert not torch.allclose(after.logits, before.logits, atol=1e-4)
    after.embedding[:, queried].square().sum().backward()
    assert frames.grad is not None
    assert (frames.grad != 0).float().mean() > 0.9


@pytest.mark.parametrize("name", ["none", "mini", "wavlm", "whisper"])
def test_batch_size_changes_nothing(network: Network, waves: Tensor, name: str) -> None:
    layers = (-1,) if name == "none" else (1, 2)
    model = settled(network(name, layers, mlcnn_channels=(8, 12, 16, 20)), waves)
    many = torch.cat([waves.roll(shift, dims=1) for shift in (0, 5000, 11111, 23456)])
    with torch.inference_mode():
        logits = {size: torch.cat([model(part).logits for part in many.split(size)]) for size in (1, 7, 32)}
    assert logits[1].std(dim=0).min() > 0.02
    for size in (7, 32):
        torch.testing.assert_close(logits[size].softmax(dim=1), logits[1].softmax(dim=1), atol=1e-5, rtol=0)
        torch.testing.assert_close(logits[size], logits[1], atol=1e-5, rtol=1e-5)  # logits are up to ten or so
        assert torch.equal(logits[size].argmax(dim=1), logits[1].argmax(dim=1))


def test_encode_inputs_and_classify_equal_forward(network: Network, waves: Tensor) -> None:
    model = network("whisper").eval()
    inputs = model.encode_inputs(waves)
    assert inputs.features[0].shape == (8, 1, 300, 200)
    assert not inputs.features[0].requires_grad
    torch.testing.assert_close(model.predict(inputs).logits, model(waves).logits)


LENGTHS = torch.tensor([48000] * 5 + [30000, 9000, 37])  # of the fixture ``waves``


@pytest.mark.parametrize("name", ["none", "mini", "whisper"])
def test_masking_padding_changes_only_short_segments(network: Network, waves: Tensor, name: str) -> None:
    model = settled(network(name, mlcnn_channels=(8, 12)), waves)
    masked = network(name, mlcnn_channels=(8, 12), mask_padding=True).eval()
    masked.load_state_dict(model.state_dict())
    with torch.inference_mode():
        plain, given, unknown = model(waves, LENGTHS), masked(waves, LENGTHS), masked(waves)
    assert torch.equal(plain.logits, model(waves).logits)
    assert torch.equal(plain.logits, unknown.logits)
    torch.testing.assert_close(given.logits[:5], plain.logits[:5], atol=1e-5, rtol=1e-4)
    assert (given.logits - plain.logits)[5:].abs().amax(dim=1).min() > 1e-3


def test_masked_padding_does_not_influence_averages_and_q4(
    network: Network, waves: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = network("whisper", csq=False, mlcnn_channels=(8, 12), mlcnn_strides=(2, 1), mask_padding=True).eval()
    inputs = model.encode_inputs(waves, LENGTHS)
    maps, frames = model.mlcnn(inputs.features[0]), model.encoder(inputs.features[1])
    monkeypatch.setattr(model.mlcnn, "forward", lambda level: maps)
    monkeypatch.setattr(model.encoder, "forward", lambda encoder_input: frames)
    before = model.predict(inputs)
    frames[6, 29:], maps[-1][6, :, 30:] = 1e6, 1e6  # 9 000 samples are 28.1 frames; the map's 30th step follows
    after = model.predict(inputs)
    torch.testing.assert_close(after.embedding[6, :12], before.embedding[6, :12])
    assert (frames[6, 29:] == 1e6).all()
    assert after.embedding.abs().max() < 1e3
    torch.testing.assert_close(after.logits[5], before.logits[5])


def test_masked_padding_is_the_same_in_every_batch(network: Network, waves: Tensor) -> None:
    model = settled(network("whisper", (1, 2), mlcnn_channels=(8, 12, 16, 20), mask_padding=True), waves)
    with torch.inference_mode():
        whole = model(waves, LENGTHS).logits
        alone = torch.cat([model(waves[i : i + 1], LENGTHS[i : i + 1]).logits for i in range(8)])
    torch.testing.assert_close(whole, alone, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    "changes", [{"csq": False}, {"csq": True}, {"csq": False, "mlcnn": False}, {"csq": False, "mask_padding": False}]
)
@pytest.mark.parametrize("architecture", [{}, {"n_blocks": 1, "kernel": 9}])
def test_skipping_masked_padding_does_not_change_the_output(
    waves: Tensor, architecture: dict[str, int], changes: dict[str, bool]
) -> None:
    encoder = EncoderConfig("mini", architecture, layers=(0, 1), frozen=True, concat_layers=True)
    settings: dict[str, Any] = {"mask_padding": True, "spectrogram_pool": (8, 4)} | changes
    model = settled(PCQ(PCQConfig(LABELS, classifier_hidden=(16,), encoder=encoder, **settings)), waves)
    ends = torch.tensor([17, 639, 640, 641, 9000, 12799, 12800, 12801, 20480, 30000, 44159, 44160, 47999, 48000])
    segments = waves[:5].repeat(3, 1)[: len(ends)] * (torch.arange(48000) < ends[:, None])
    with torch.inference_mode():
        share = model.valid_fraction(ends, 48000)
        whole = model.classify((model.normalised_spectrogram(segments), model.encoder_input(segments)), share)
        torch.testing.assert_close(model(segments, ends).logits, whole.logits, atol=1e-5, rtol=1e-5)
    assert whole.logits.std(dim=0).min() > 1e-3


def test_without_mlcnn_the_fusion_vector_is_the_mean_frame(network: Network, waves: Tensor) -> None:
    model = network("whisper", (1, 2), mlcnn=False, mask_padding=True).eval()
    with torch.no_grad():
        prediction = model(waves, LENGTHS)
    n_frames = (LENGTHS / 320).ceil().long()
    wanted = torch.stack([frames[:n].mean(dim=0) for frames, n in zip(prediction.frames, n_frames, strict=True)])
    torch.testing.assert_close(prediction.embedding, wanted)
    assert not any("mlcnn" in name or "csq" in name or "attention" in name for name in model.state_dict())
    with pytest.raises(ModelError, match="needs an encoder"):
        network("none", mlcnn=False)


def test_the_classifier_gets_a_normalised_fusion_vector(network: Network, waves: Tensor) -> None:
    model = network("mini", mlcnn_channels=(8, 12), fusion_batch_norm=True, dropout=0.0).train()
    reached: list[Tensor] = []
    model.classifier.register_forward_pre_hook(lambda module, args: reached.append(args[0]))
    fusion = model(waves).embedding
    torch.testing.assert_close(reached[0].mean(dim=0), torch.zeros(model.fusion_width), atol=1e-4, rtol=0)
    expected = (fusion - fusion.mean(dim=0)) / (fusion.var(dim=0, unbiased=False) + 1e-5).sqrt()
    torch.testing.assert_close(reached[0], expected, atol=1e-4, rtol=1e-4)
    assert not list(model.scale.parameters())


def test_pool_makes_the_spectrogram_coarser(network: Network, waves: Tensor) -> None:
    model = network("none", spectrogram_pool=(4, 2), mean_db=0.0, sd_db=1.0)
    level = Spectrogram(SpectrogramSettings())(waves)
    blocks = level.reshape(8, 75, 4, 100, 2).mean(dim=(2, 4))
    torch.testing.assert_close(model.encode_inputs(waves).features[0][:, 0], blocks)


def test_the_classifier_has_the_configured_widths(network: Network) -> None:
    model = network("none", classifier_hidden=(32, 24))
    widths = [(m.in_features, m.out_features) for m in model.classifier if isinstance(m, torch.nn.Linear)]
    assert widths == [(64, 32), (32, 24), (24, 4)]
    assert isinstance(model.classifier[-1], torch.nn.Linear)


@pytest.mark.parametrize(
    "changes",
    [
        {"labels": ("anger",)},
        {"labels": ("anger", "anger")},
        {"mlcnn_channels": (16,)},
        {"mlcnn_channels": (16, 32, 48, 64, 64), "mlcnn_strides": (2, 2, 2, 2, 2)},
        {"mlcnn_channels": (16, 30)},
        {"mlcnn_channels": ("16", "32")},
        {"mlcnn_channels": 16},
        {"mlcnn_strides": (2, 2, 2)},
        {"mlcnn_strides": (2, 2, 2, 0)},
        {"mlcnn_strides": (2, 2, 2, 2.0)},
        {"spectrogram_pool": (2,)},
        {"spectrogram_pool": (0, 2)},
        {"classifier_hidden": (0,)},
        {"mask_padding": 1},
        {"fusion_batch_norm": 1},
        {"dropout": 1.5},
        {"dropout": math.nan},
        {"mean_db": math.inf},
        {"sd_db": 0.0},
        {"sd_db": math.nan},
    ],
)
def test_impossible_settings_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ModelError):
        PCQConfig(**{"labels": LABELS} | changes)
