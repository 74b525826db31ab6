from __future__ import annotations

import time

import numpy as np
import torch
from torch import nn

from benchmarks.baselines import plain_predictor
from benchmarks.stages import (
    Part,
    _in_torch,
    count_flops,
    fill,
    matrix_ceiling,
    measure_parts,
    stages_s,
    warm_up,
    weights_precision,
    works,
)
from pcqtool.model.predictor import Predictor


def test_every_stage_takes_its_time(sample):
    parts = {"encoder": Part(0.25, 1, "float32", 1.0), "whole": Part(0.75, 1, "float32", 1.0)}
    times_s = stages_s(sample, parts)
    assert list(times_s) == ["decode", "resample (from 44.1 kHz)", "VAD", "encoder", "CSQ + head", "write"]
    assert min(times_s.values()) > 0
    assert times_s["encoder"] == 0.75
    assert times_s["CSQ + head"] == 1.5


def test_a_ceiling_is_a_rate():
    assert 1e8 < matrix_ceiling(torch.device("cpu"), "float32", sizes=(64, 256)) < 1e15


def test_operations_of_products_and_attention_are_counted():
    assert count_flops(nn.Linear(8, 4, bias=False), torch.zeros(3, 8)) == 2 * 3 * 8 * 4
    attention = nn.functional.scaled_dot_product_attention
    q = torch.zeros(1, 2, 5, 4)
    assert count_flops(lambda x: attention(x, x, x, attn_mask=torch.zeros(1, 2, 5, 5)), q) == 2 * 2 * (2 * 5 * 5 * 4)


def test_operations_are_counted_though_weights_are_made_of_others(small_wavlm):
    predictor = Predictor(small_wavlm, "cpu")
    assert 1e6 < count_flops(predictor.model, torch.zeros(1, 48_000)) < 1e9


def test_operations_are_counted_though_the_encoder_is_compiled(sample, small_wavlm):
    predictor = Predictor(small_wavlm, "cpu")
    assert predictor.model.encoder.compiled is not None
    network = _in_torch(predictor.model)
    found = works(sample.segments, predictor, 1, network)["encoder"]
    expected = works(sample.segments, plain_predictor(small_wavlm, "cpu"), 1)["encoder"]
    assert count_flops(found.compute, found.x) == count_flops(expected.compute, expected.x) > 1e6
    assert weights_precision(predictor.model.encoder) == "float32"
    assert _in_torch(network) is network


def test_a_part_has_a_rate_and_a_share():
    part = Part(segment_s=0.5, flops=100, precision="float32", ceiling=400.0)
    assert part.rate == 200.0
    assert part.share == 0.5


def test_parts_lie_within_the_whole(sample, small_wavlm):
    parts = measure_parts(sample.segments, Predictor(small_wavlm, "cpu", precision="bfloat16"), 2)
    assert list(parts) == ["spectrogram", "MLCNN", "encoder", "whole"]
    assert 0 < parts["encoder"].flops + parts["MLCNN"].flops < parts["whole"].flops
    assert {name: part.precision for name, part in parts.items()} == {
        "spectrogram": "float32",
        "MLCNN": "float32",
        "encoder": "bfloat16",
        "whole": "bfloat16",
    }
    assert all(part.segment_s > 0 for part in parts.values())


def test_a_network_without_an_encoder_has_fewer_parts(sample, tmp_path):
    from pcqtool.model.directory import ModelConfig, save
    from pcqtool.model.network_settings import network_config_to_json
    from pcqtool.model.pcq import PCQ, PCQConfig

    network = PCQConfig(("anger", "neutral"), mlcnn_channels=(4, 8), mlcnn_strides=(2, 2), classifier_hidden=(8,))
    save(tmp_path / "m", ModelConfig("m", network.labels, network_config_to_json(network)), PCQ(network).eval(), {}, "")
    assert list(measure_parts(sample.segments, Predictor(tmp_path / "m", "cpu"), 2)) == [
        "spectrogram",
        "MLCNN",
        "whole",
    ]


def test_a_batch_is_filled_again_and_again():
    segments = np.arange(6.0, dtype=np.float32).reshape(3, 2)
    assert fill(segments, 5)[:, 0].tolist() == [0, 2, 4, 0, 2]
    assert fill(segments, 2)[:, 0].tolist() == [0, 2]


def test_what_the_first_batch_costs_is_told(sample, tiny_model, monkeypatch):
    calls = []
    log_probs = Predictor.log_probs

    def slow_at_first(self, waves, n_samples=None):
        calls.append(len(waves))
        time.sleep(0.3 if len(calls) == 1 else 0.0)
        return log_probs(self, waves, n_samples)

    monkeypatch.setattr(Predictor, "log_probs", slow_at_first)
    predictor, times_s = warm_up(tiny_model, "cpu", "float32", sample.segments, 4)
    assert predictor.config.name
    assert calls == [4, 4, 1, 1]
    assert times_s["loading the model"] > 0
    assert times_s["the first batch"] >= 0.25, "what it took longer than the next one"
    assert times_s["the first batch"] >= 0.3
