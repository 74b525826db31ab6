"""Every network: its weights counted, its shapes, its padding, and that it learns."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from pcqtool.networks import EncoderConfig, ModelError, Network, TrainingBatch
from pcqtool_rivals.alexnet import AlexNet, SpectrogramImage
from pcqtool_rivals.ca_mser import CAMSER
from pcqtool_rivals.encoder_means import EncoderMeans
from pcqtool_rivals.front_ends import encoder_frames, encoder_input
from pcqtool_rivals.functionals_svm import FunctionalsSVM
from pcqtool_rivals.glam import GLAM
from pcqtool_rivals.gm_tcnet import GMTCNet
from pcqtool_rivals.light_sernet import LightSERNet
from pcqtool_rivals.tim_net import TIMNet

LABELS = ("anger", "boredom", "disgust", "fear", "happiness", "neutral", "sadness")
FROZEN = EncoderConfig("mini", {"dim": 32, "n_blocks": 1}, layers=(0, 1), frozen=True, concat_layers=True)
TRAINED = EncoderConfig("mini", {"dim": 32, "n_blocks": 1})
SMALL_CA_MSER = {"lstm_width": 8, "width": 16, "n_frames": 75}
TRAINED_NETWORKS: list[tuple[type[Network[Any]], dict[str, Any]]] = [
    (AlexNet, {}),
    (CAMSER, {"encoder": TRAINED, **SMALL_CA_MSER}),
    (CAMSER, {"encoder": FROZEN, **SMALL_CA_MSER}),
    (GLAM, {}),
    (GMTCNet, {}),
    (LightSERNet, {}),
    (TIMNet, {}),
]
CLOSED_FORM: list[tuple[type[Network[Any]], dict[str, Any]]] = [
    (EncoderMeans, {"encoder": FROZEN}),
    (FunctionalsSVM, {"feature_set": "eGeMAPSv02"}),
]
MIB = 2**20


def build(kind: type[Network[Any]], labels: tuple[str, ...] = LABELS, **settings: Any) -> Any:
    torch.manual_seed(0)
    return kind(kind.config_class(labels, **settings))


def n_trained(network: torch.nn.Module) -> int:
    return sum(each.numel() for each in network.parameters() if each.requires_grad)


@pytest.fixture(scope="module")
def batch() -> tuple[Tensor, Tensor, Tensor]:
    """Return six segments of three lengths, of two classes that differ in pitch: waves, lengths, targets."""
    n_samples = torch.tensor([48_000, 48_000, 30_000, 30_000, 2000, 2000])
    targets = torch.tensor([0, 1] * 3)
    t = torch.arange(48_000) / 16_000
    noise = torch.randn(6, 48_000, generator=torch.Generator().manual_seed(2))
    waves = 0.3 * torch.sin(2 * torch.pi * (150 + 400 * targets).unsqueeze(1) * t) + 0.01 * noise
    return waves * (torch.arange(48_000) < n_samples.unsqueeze(1)), n_samples, targets


def test_alexnet_has_the_published_weights() -> None:
    assert n_trained(build(AlexNet).features) == 2_469_696  # 2.47 M
    assert n_trained(build(AlexNet)) == pytest.approx(2.47e6, rel=0.01)


def test_ca_mser_has_the_published_weights_but_for_those_that_reach_no_output() -> None:
    with torch.device("meta"):
        network = build(CAMSER, LABELS[:4])
    n_unused = (
        (9216 + 1) * 4096 + (4096 + 1) * 4096 + (4096 + 1) * 4
    )  # AlexNet's own classifier, whose output is unused
    assert n_trained(network) == 120_072_409
    assert n_trained(network) + n_unused == pytest.approx(174.62e6, rel=1e-4)


def test_light_sernet_has_the_published_size() -> None:
    assert n_trained(build(LightSERNet)) == 461_703
    assert 2 * n_trained(build(LightSERNet)) / MIB == pytest.approx(0.88, rel=0.01)  # in half precision


def test_tim_net_has_the_published_size() -> None:
    assert n_trained(build(TIMNet)) == 104_496
    assert 4 * n_trained(build(TIMNet)) / MIB == pytest.approx(0.40, rel=0.01)


def test_gm_tcnet_has_the_weights_of_the_public_code_and_one_block_fewer_than_the_published_size() -> None:
    assert n_trained(build(GMTCNet)) == 260_644
    assert 4 * n_trained(build(GMTCNet, n_blocks=8)) / MIB == pytest.approx(1.13, rel=0.01)


def test_glam_has_the_weights_of_the_public_code() -> None:
    assert n_trained(build(GLAM, LABELS[:4])) == 904_078


@pytest.mark.parametrize(("kind", "settings"), TRAINED_NETWORKS + CLOSED_FORM)
def test_shapes_and_padding(
    kind: type[Network[Any]], settings: dict[str, Any], batch: tuple[Tensor, Tensor, Tensor]
) -> None:
    waves, n_samples, _ = batch
    network = build(kind, **settings).eval()
    with torch.inference_mode():
        inputs = network.front_end(waves, n_samples)
        output, alone = network(waves, n_samples), network(waves[4:5], n_samples[4:5])
        unpadded = network(waves[:2])
    assert all(len(each) == len(waves) and each.isfinite().all() for each in inputs)
    assert output.logits.shape == (6, 7)
    assert output.embedding.shape[0] == 6
    torch.testing.assert_close(alone.logits[0], output.logits[4], rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(alone.embedding[0], output.embedding[4], rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(unpadded.logits, output.logits[:2], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(("kind", "settings"), TRAINED_NETWORKS)
def test_training_lowers_the_loss(
    kind: type[Network[Any]], settings: dict[str, Any], batch: tuple[Tensor, Tensor, Tensor]
) -> None:
    waves, n_samples, targets = batch
    network = build(kind, **settings).train()
    inputs = network.encode_inputs(waves, n_samples)
    optimiser = torch.optim.AdamW(network.parameters(), lr=2e-4)
    losses = []
    for _ in range(3):
        torch.manual_seed(1)  # the same dropout at every step
        loss = functional.cross_entropy(network.predict(inputs).logits, targets)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    without = {name for name, each in network.named_parameters() if each.requires_grad and each.grad is None}
    assert not without


@pytest.mark.parametrize(("kind", "settings"), CLOSED_FORM)
def test_classifiers_in_closed_form_are_fitted_at_once(
    kind: type[Network[Any]], settings: dict[str, Any], batch: tuple[Tensor, Tensor, Tensor]
) -> None:
    waves, n_samples, targets = batch
    network = build(kind, **settings)
    assert n_trained(network) == 0
    inputs = network.front_end(waves, n_samples)
    network.prepare([TrainingBatch(inputs, n_samples / 48_000, targets, torch.arange(6))])
    # The last two are very short, and not all classifiers are fitted to them.
    assert network(waves[:4], n_samples[:4]).logits.argmax(dim=1).tolist() == targets[:4].tolist()


def test_a_class_of_which_all_segments_are_short_is_trained_on() -> None:
    network = build(FunctionalsSVM, feature_set="eGeMAPSv02")
    targets = torch.arange(40) % 2
    functionals = torch.randn(40, 88, generator=torch.Generator().manual_seed(5)) + 2 * targets.unsqueeze(1)
    network.prepare([TrainingBatch((functionals,), 1 - 0.9 * targets, targets, torch.arange(40))])
    predicted = network.classify((functionals,), torch.ones(40)).logits.argmax(dim=1)
    assert predicted.tolist() == targets.tolist()


def test_means_do_not_count_the_padding() -> None:
    network = build(EncoderMeans, encoder=FROZEN)
    waves = torch.randn(2, 48_000, generator=torch.Generator().manual_seed(3))
    waves[1, 24_000:] = 0
    (means,) = network.front_end(waves, torch.tensor([48_000, 24_000]))
    frames = encoder_frames(network.encoder, encoder_input(network.encoder, waves))
    torch.testing.assert_close(means[0], frames[0].mean(dim=0))
    n = frames.shape[1] * 24_000 // 48_000 + frames.shape[1] % 2
    torch.testing.assert_close(means[1], frames[1, :n].mean(dim=0))


def test_means_are_fitted_to_whole_recordings() -> None:
    generator = torch.Generator().manual_seed(4)
    means, fraction = torch.randn(40, 64, generator=generator), torch.rand(40, generator=generator)
    recording = torch.arange(40) // 2  # two segments each
    targets = recording % 2
    network, other = build(EncoderMeans, encoder=FROZEN), build(EncoderMeans, encoder=FROZEN)
    network.prepare([TrainingBatch((means,), fraction, targets, recording)])
    weights = (fraction / (fraction[::2] + fraction[1::2]).repeat_interleave(2)).unsqueeze(1)
    whole = (means * weights)[::2] + (means * weights)[1::2]
    other.prepare([TrainingBatch((whole,), torch.ones(20), targets[::2], torch.arange(20))])
    torch.testing.assert_close(network.classifier.weight, other.classifier.weight, atol=1e-4, rtol=1e-3)
    # The logits of the whole are the mean of the segments' logits, weighted by duration.
    logits = network.classify((means,), fraction).logits * weights
    torch.testing.assert_close(logits[::2] + logits[1::2], network.classify((whole,), fraction[::2]).logits)


def test_glam_leaves_out_windows_of_padding(batch: tuple[Tensor, Tensor, Tensor]) -> None:
    waves, n_samples, _ = batch
    network = build(GLAM).eval()
    (windows,) = network.encode_inputs(waves, n_samples).features
    assert windows.shape == (6, 3, 26, 56)
    changed = windows.clone()
    changed[2:4, 2] = 7.0  # from 1.2 s on, of recordings of 1.875 s
    changed[4:, 1:] = 7.0
    fraction = n_samples / 48_000
    with torch.inference_mode():
        expected, found = (network.classify((each,), fraction).logits for each in (windows, changed))
        torch.testing.assert_close(expected, found)
        assert not torch.allclose(network.classify((changed,), torch.ones(6)).logits[2:4], expected[2:4])


def test_an_image_has_the_range_of_the_training_data_and_high_bins_above() -> None:
    image = SpectrogramImage(AlexNet.config_class(LABELS).spectrogram)
    spectrogram = torch.full((1, 300, 200), -60.0)
    spectrogram[:, 150:, 100:] = -20.0  # later, and in the upper half of the bins
    image.measure([spectrogram, spectrogram - 20])
    assert (image.low[0], image.high[0]) == (-80, -60)
    assert (image.low[150], image.high[150]) == (-80, -20)
    grey = (image(spectrogram) * image.sd + image.mean)[0]
    assert grey.shape == (3, 256, 384)
    torch.testing.assert_close(grey[0], grey[2])
    upper, lower = grey[0, :100], grey[0, 160:]
    torch.testing.assert_close(lower, torch.ones_like(lower), atol=1e-5, rtol=0)
    torch.testing.assert_close(upper[:, 200:], torch.ones_like(upper[:, 200:]), atol=1e-5, rtol=0)
    torch.testing.assert_close(upper[:, :180], torch.full_like(upper[:, :180], 1 / 3), atol=1e-5, rtol=0)


def test_causal_networks_see_no_later_step_in_one_direction() -> None:
    network = build(TIMNet).eval()
    frames = torch.randn(1, 39, 240)
    changed = frames.clone()
    changed[:, :, 200:] = 0
    with torch.inference_mode():
        for x, y in zip(network.directions[0](frames), network.directions[0](changed), strict=True):
            torch.testing.assert_close(x[:, :, :200], y[:, :, :200])
            assert not torch.equal(x[:, :, 200:], y[:, :, 200:])


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (CAMSER, {"encoder": EncoderConfig()}),
        (EncoderMeans, {"encoder": TRAINED}),
        (EncoderMeans, {"encoder": FROZEN, "c": 0.0}),
        (FunctionalsSVM, {"feature_set": "IS09"}),
        (FunctionalsSVM, {"c": -1.0}),
        (FunctionalsSVM, {"min_fraction": 1.5}),
        (GLAM, {"window_s": 4.0}),
        (LightSERNet, {"channels": (64, 96)}),
    ],
)
def test_impossible_settings_are_refused(kind: type[Network[Any]], settings: dict[str, Any]) -> None:
    with pytest.raises(ModelError):
        kind.config_class(LABELS, **settings)


def test_another_number_of_frames_is_refused(batch: tuple[Tensor, Tensor, Tensor]) -> None:
    network = build(CAMSER, encoder=FROZEN, **SMALL_CA_MSER | {"n_frames": 70})
    with pytest.raises(ModelError, match="75 frames"):
        network(batch[0])
