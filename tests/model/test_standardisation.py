"""Standardisation by profiles: what all recordings of a batch have in common is removed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from pcqtool.model.pcq import pool_frames
from pcqtool.model.profile import Profile, mean_and_sd
from pcqtool.model.standardisation import Standardisation


def profile_of(frames, spectrogram):
    """Measure segments of equal length: frames ``(B, T, 3)`` and a spectrogram ``(B, 1, H, 2)``."""
    features = [each.double().numpy() for each in (frames, spectrogram.squeeze(1))]
    moments = np.concatenate([np.stack((each.mean(1), (each**2).mean(1)), axis=1) for each in features], axis=2)
    return Profile.measured(moments, np.full(len(frames), 3.0))


@given(
    seed=st.integers(0, 50),
    gains=st.lists(st.floats(0.2, 5.0), min_size=5, max_size=5),
    offsets=st.lists(st.floats(-20.0, 20.0), min_size=5, max_size=5),
)
@settings(max_examples=30, deadline=None)
def test_what_a_batch_has_in_common_is_removed(seed, gains, offsets):
    """Each element and bin may be scaled and shifted: standardised by the profile of the result, it is the same."""
    generator = torch.Generator().manual_seed(seed)
    frames = torch.randn(6, 7, 3, generator=generator) + 2.0 * torch.randn(6, 1, 3, generator=generator)
    spectrogram = torch.randn(6, 1, 9, 2, generator=generator)
    gain, offset = torch.tensor(gains), torch.tensor(offsets)
    other_frames, other_spectrogram = frames * gain[:3] + offset[:3], spectrogram * gain[3:] + offset[3:]
    module = Standardisation(n_elements=3, n_bins=2)
    own = module.statistics([profile_of(frames, spectrogram)], constant_s=1e-6)
    other = module.statistics([profile_of(other_frames, other_spectrogram)], constant_s=1e-6)
    torch.testing.assert_close(
        module.standardise_frames(other_frames, other), module.standardise_frames(frames, own), atol=5e-3, rtol=5e-3
    )
    torch.testing.assert_close(
        module.standardise_bins(other_spectrogram, other),
        module.standardise_bins(spectrogram, own),
        atol=5e-3,
        rtol=5e-3,
    )


def test_elements_are_divided_by_the_spread_between_segments_and_bins_by_that_of_frames():
    profile = Profile(30.0, np.array([1.0, 1.0]), np.array([5.0, 5.0]), np.array([10.0, 10.0]))
    mean, sd = mean_and_sd(profile, n_elements=1)
    assert mean.tolist() == [1.0, 1.0]
    assert sd.tolist() == [2.0, 3.0]
    flat = Profile(30.0, np.ones(2), np.ones(2), np.ones(2))
    assert (mean_and_sd(flat, n_elements=1)[1] > 0).all(), "a feature that is constant divides by no zero"


def test_the_training_datas_profile_is_kept_and_shrunk_towards():
    module = Standardisation(n_elements=1, n_bins=1)
    module.keep_profile(Profile(99.0, np.array([2.0, 4.0]), np.array([5.0, 17.0]), np.array([8.0, 20.0])))
    own = module.statistics()
    torch.testing.assert_close(own.mean, torch.tensor([[2.0, 4.0]]))
    torch.testing.assert_close(own.sd, torch.tensor([[1.0, 2.0]]))
    batch = Profile(30.0, np.array([4.0, 0.0]), np.array([17.0, 1.0]), np.array([20.0, 4.0]))
    half, none = module.statistics([batch, Profile(0.0, batch.mean, batch.between, batch.square)], constant_s=30.0)[0]
    torch.testing.assert_close(half, torch.tensor([3.0, 2.0]))
    torch.testing.assert_close(none, own.mean[0])
    restored = Standardisation(n_elements=1, n_bins=1)
    restored.load_state_dict(module.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(restored.statistics(), own, strict=True))


def test_segments_have_the_statistics_of_their_group():
    module = Standardisation(n_elements=1, n_bins=0)
    profiles = [Profile(1e9, np.array([value]), np.array([value**2 + 1]), np.zeros(1)) for value in (0.0, 10.0)]
    statistics = module.statistics(profiles, 1.0).of(torch.tensor([1, 0, 1]))
    frames = module.standardise_frames(torch.full((3, 4, 1), 10.0), statistics)
    torch.testing.assert_close(frames[:, 0, 0], torch.tensor([0.0, 10.0, 0.0]), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", ["none", "mini"])
def test_moments_are_those_of_the_frames_that_are_not_padding(network, waves, name):
    model = network(name, (0, 1) if name == "mini" else (-1,), name == "mini", profile_s=30.0, frame_pool=1).eval()
    n_samples = torch.tensor([48000, 30000, 9600])
    rows = waves[[0, 5, 6]].clone()
    rows[2, 9000:9600] = 0.1
    with torch.inference_mode():
        moments = model.moments(rows, n_samples)
        features = [model.log_spectrogram(rows, n_samples).squeeze(1)]
        if name == "mini":
            features.insert(0, model.encoder.combine(model.encoder_input(rows, n_samples).unbind(1)))
    assert moments.shape == (3, 2, sum(each.shape[2] for each in features))
    for row, n in enumerate(n_samples.tolist()):
        valid = [each[row, : -(-n * each.shape[1] // 48000)] for each in features]
        wanted = [torch.cat([part.mean(0) for part in parts]) for parts in (valid, [part**2 for part in valid])]
        torch.testing.assert_close(moments[row], torch.stack(wanted), atol=1e-3, rtol=1e-4)


@given(n_frames=st.integers(1, 20), n=st.integers(1, 7))
@settings(max_examples=30, deadline=None)
def test_frames_are_averaged_in_groups(n_frames, n):
    states = torch.arange(2.0 * 3 * n_frames * 4).reshape(2, 3, n_frames, 4)
    pooled = pool_frames(states, n)
    wanted = [states[:, :, start : start + n].mean(dim=2) for start in range(0, n_frames, n)]
    torch.testing.assert_close(pooled, torch.stack(wanted, dim=2))
    assert pool_frames(states, 1) is states


def own_statistics(model, waves):
    """Return the statistics of the segments' own profile, for each of them."""
    n_samples = torch.full((len(waves),), waves.shape[1])
    profile = Profile.measured(model.moments(waves, n_samples).double().numpy(), np.full(len(waves), 3.0))
    statistics = model.standardisation.statistics([profile], model.config.profile_s)
    return profile, statistics.of(torch.zeros(len(waves), dtype=torch.int64))


def logits_by_profile(model, waves):
    """Predict logits with the profile of the segments, and with the network's own statistics."""
    n_samples = torch.full((len(waves),), waves.shape[1])
    with torch.inference_mode():
        profile, everywhere = own_statistics(model, waves)
        return profile, model(waves, n_samples, everywhere).logits, model(waves, n_samples).logits


@pytest.mark.parametrize(("name", "rest"), [("none", 0.35), ("mini", 0.7)])
def test_a_filter_that_all_recordings_pass_changes_little(network, name, rest):
    """A line or a microphone: the profile is measured on the recordings that have passed it.

    An encoder that is not linear in the log-mel frames lets more of the filter through.
    """
    layers, frozen = ((0,), True) if name == "mini" else ((-1,), False)
    noise = torch.randn(12, 1, 48000)
    shapes = torch.linspace(-0.9, 0.9, 12)  # noises of different colours
    waves = 0.05 * torch.cat([functional.conv1d(each[None], torch.tensor([[[a, 1.0]]]), padding=1)[0, :, :48000]
                              for each, a in zip(noise, shapes, strict=True)])  # fmt: skip
    filtered = 0.3 * functional.conv1d(waves[:, None], torch.tensor([[[-0.6, 1.0]]]), padding=1)[:, 0, :48000]
    model = network(name, layers, frozen, profile_s=1e-3, csq=False, spectrogram_pool=(8, 4))
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():  # statistics of batch normalisation: without them, the maps of a random network vanish
        model.train()(waves, torch.full((len(waves),), 48000), own_statistics(model, waves)[1])
    profile, plain, _ = logits_by_profile(model.eval(), waves)
    model.standardisation.keep_profile(profile)
    _, with_profile, without = logits_by_profile(model, filtered)
    scale = plain.std(dim=0).mean()
    assert (with_profile - plain).abs().mean() < rest * (without - plain).abs().mean()
    assert (without - plain).abs().mean() > 0.3 * scale, "the filter is strong enough to matter"
