from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmarks.agreement import agreement
from benchmarks.baselines import plain_predictor
from benchmarks.random_model import spread
from pcqtool.model.predictor import Predictor


@pytest.fixture
def plain(small_wavlm, sample):
    """A plain predictor whose three labels all occur."""
    predictor = plain_predictor(small_wavlm, "cpu")
    spread(predictor.model, sample.segments)
    return predictor


def test_a_network_agrees_with_itself(sample, plain):
    found = agreement(sample.segments, plain, 2, plain)
    assert found["segments"] == 3
    assert found["labels equal"] == 1.0
    assert found["largest difference of a probability"] < 1e-4
    assert found["relative error of the encoder's frames"] < 1e-4
    assert found["different labels"] >= 2
    assert 0 < found["median margin"] < 1
    assert found["share of the commonest"] <= 2 / 3 + 1e-9


def test_other_labels_and_rounded_frames_are_seen(sample, plain, small_wavlm):
    other = Predictor(small_wavlm, "cpu", precision="bfloat16")
    other.model.load_state_dict(plain.model.state_dict())
    last = other.model.classifier[-1]
    with torch.inference_mode():
        last.weight.neg_()
        last.bias.neg_()
    found = agreement(sample.segments, other, 2, plain)
    assert found["labels equal"] < 1.0
    assert 1e-4 < found["relative error of the encoder's frames"] < 0.1


def test_a_network_without_encoder_has_no_frames(sample, plain, monkeypatch):
    monkeypatch.setattr(plain.model, "encoder_frames", lambda encoder_input: None)
    monkeypatch.setattr(plain, "log_probs", lambda waves: np.log(np.full((len(waves), 2), 0.5)))
    assert "relative error of the encoder's frames" not in agreement(sample.segments, plain, 2, plain)
