from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmarks import random_model as module
from benchmarks.baselines import predict
from benchmarks.random_model import LABELS, random_model
from pcqtool.model.encoders import EncoderConfig
from pcqtool.model.predictor import Predictor

SIZES = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
FRONT_END = {"conv_dim": [8] * 7, "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 2}
SMALL = EncoderConfig("wavlm", SIZES | FRONT_END)


@pytest.fixture
def many(sample):
    """The sample with segments enough to tell four labels apart, each with a tone and a level of its own."""
    t = np.arange(48_000) / 16_000
    rng = np.random.default_rng(0)
    waves = [
        rng.uniform(0.05, 0.9) * np.sin(2 * np.pi * rng.uniform(100, 4000) * t) + rng.normal(0, 0.05, len(t))
        for _ in range(24)
    ]
    return replace(sample, segments=np.array(waves, np.float32))


@pytest.mark.slow
def test_all_labels_occur_and_none_rules(tmp_path, many):
    before = torch.random.get_rng_state()
    directory = random_model(tmp_path / "m", SMALL, many)
    assert torch.equal(before, torch.random.get_rng_state())
    predictor = Predictor(directory, "cpu")
    assert predictor.config.labels == LABELS
    counts = np.bincount(predict(many.segments, predictor, 8).argmax(1), minlength=len(LABELS))
    assert counts.min() > 0
    assert counts.max() <= 0.6 * len(many.segments)


@pytest.mark.slow
def test_without_the_fit_labels_are_one(tmp_path, many, monkeypatch):
    monkeypatch.setattr(module, "spread", lambda model, segments: None)
    predictor = Predictor(random_model(tmp_path / "m", SMALL, many), "cpu")
    assert len(set(predict(many.segments, predictor, 8).argmax(1))) == 1


def test_few_segments_make_a_model_too(tmp_path, sample):
    predictor = Predictor(random_model(tmp_path / "m", SMALL, sample), "cpu")
    assert np.isfinite(predict(sample.segments, predictor, 8)).all()
