from __future__ import annotations

import time

import numpy as np
import pytest
import torch

from pcqtool.bench.bench import Result
from pcqtool.bench.page import write_page
from pcqtool.bench.stages import _watched, count_flops, matrix_ceiling


def test_a_ceiling_is_a_rate_and_more_work_does_not_raise_it():
    assert 1e8 < matrix_ceiling(torch.device("cpu"), "float32", size=256, repeats=3) < 1e15


def test_operations_are_counted_though_weights_are_made_of_others(tmp_path):
    from pcqtool.model.directory import ModelConfig, describe, save
    from pcqtool.model.encoders import EncoderConfig
    from pcqtool.model.pcq import PCQ, PCQConfig
    from pcqtool.model.predictor import Predictor

    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    front_end = {"conv_dim": [8] * 7, "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 2}
    labels = ("anger", "neutral")
    network = PCQConfig(labels, channels=(4, 8), strides=(2, 2), encoder=EncoderConfig("wavlm", sizes | front_end))
    save(tmp_path / "m", ModelConfig("m", labels, describe(network)), PCQ(network).eval(), {}, "Random weights.")
    segments = np.zeros((2, 48_000), np.float32)
    assert 1e6 < count_flops(segments, Predictor(tmp_path / "m", "cpu")) < 1e9


def test_a_watched_method_is_timed_and_set_free_again():
    class Owner:
        device = torch.device("cpu")

        def nap(self, n):
            time.sleep(0.02)
            return n

    owner = Owner()
    with _watched(owner, "nap", owner) as times_s:
        assert [owner.nap(1), owner.nap(2)] == [1, 2]
    assert len(times_s) == 2
    assert min(times_s) >= 0.02
    assert "nap" not in vars(owner)
    assert not np.any([owner.nap(0)])
    assert len(times_s) == 2


@pytest.fixture
def result():
    return Result(
        about={"model": "m", "device": "CPU", "precision": "float32"},
        audio_s=600.0,
        stages_s={"decode": 1.0, "encoder": 3.0},
        runs_s={"pcqtool": [6.0, 5.0, 30.0], "peer": [60.0]},
        flops={"network": 5e10, "ceiling": 1e11, "share": 0.5},
        agreement={"labels equal": 0.999},
        peak_mb={"process": 500.0},
    )


def test_page_gives_shares_ratios_and_the_median(result):
    page = write_page([result])
    assert "| decode | 600 | 25.0% |" in page
    assert "| pcqtool | 100.0 | 1.00 |" in page
    assert "| peer | 10.0 | 10.00 |" in page
    assert "50% of the measured ceiling of 100" in page
    assert "labels equal 0.999" in page
