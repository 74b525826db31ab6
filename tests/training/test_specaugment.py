from __future__ import annotations

import pytest
import torch

from pcqtool.errors import SettingsError
from pcqtool.model.pcq import NetworkInputs
from pcqtool.training.recipe import SpecAugment
from pcqtool.training.specaugment import hide


def hidden(seen, given):
    """Shares of frames and of bins of ``(H, W)`` that are hidden from end to end."""
    changed = seen != given
    return changed.all(dim=1).float().mean().item(), changed.all(dim=0).float().mean().item()


def test_pieces_of_time_and_bands_are_hidden_by_the_mean():
    torch.manual_seed(0)
    level = torch.randn(64, 1, 100, 40)
    seen = hide(
        NetworkInputs(level, None), SpecAugment(time_mask=0.2, frequency_mask=0.25, n_time_masks=1, n_frequency_masks=1)
    ).spectrogram
    assert seen.shape == level.shape
    assert torch.allclose(seen[seen != level], level.mean(), atol=0.01)
    shares = torch.tensor([hidden(one[0], given[0]) for one, given in zip(seen, level, strict=True)])
    assert shares.max(dim=0).values[0] <= 0.2
    assert shares.max(dim=0).values[1] <= 0.25
    assert shares.mean(dim=0)[0] == pytest.approx(0.1, abs=0.03)  # widths are uniform from 0 to the largest
    assert shares.mean(dim=0)[1] == pytest.approx(0.125, abs=0.03)
    assert len({tuple(pair) for pair in shares.tolist()}) > 20  # of each segment's own


def test_log_mel_frames_are_masked_and_waves_and_states_are_not():
    torch.manual_seed(0)
    level, mel = torch.randn(8, 1, 30, 20), torch.randn(8, 80, 150)
    chosen = SpecAugment()
    assert not torch.equal(hide(NetworkInputs(level, mel), chosen).encoder_input, mel)
    assert hide(NetworkInputs(level, mel), chosen).encoder_input.shape == mel.shape
    for heard in (torch.randn(8, 4800), torch.randn(8, 2, 15, 4)):
        assert torch.equal(hide(NetworkInputs(level, heard), chosen).encoder_input, heard)


def test_no_masks_hide_nothing():
    level = torch.randn(4, 1, 30, 20)
    assert torch.equal(
        hide(NetworkInputs(level, None), SpecAugment(n_time_masks=0, n_frequency_masks=0)).spectrogram, level
    )


@pytest.mark.parametrize(
    "wrong", [{"time_mask": 1.1}, {"frequency_mask": -0.1}, {"n_time_masks": -1}, {"n_frequency_masks": -1}]
)
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(SettingsError):
        SpecAugment(**wrong)
