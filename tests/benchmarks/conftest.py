from __future__ import annotations

import pytest

from benchmarks import stages
from benchmarks.sample import Sample
from pcqtool.batch.names import find_sources
from pcqtool.model.predictor import Predictor


@pytest.fixture(autouse=True)
def _short(monkeypatch):
    monkeypatch.setattr(stages, "MIN_S", 0.01)
    monkeypatch.setattr(stages, "SIZES", {"cpu": (64,)})


@pytest.fixture
def sample(write_wave, tmp_path):
    """Two recordings, of two segments and of one."""
    write_wave("calls/a.wav", seconds=4.0)
    write_wave("calls/b.wav", seconds=2.0, seed=1)
    return Sample.of(find_sources([tmp_path / "calls"]))


@pytest.fixture
def tiny(tiny_model):
    return Predictor(tiny_model, "cpu")


@pytest.fixture(scope="session")
def small_wavlm(tmp_path_factory):
    """The directory of a PCQ around a very small WavLM with random weights."""
    import torch

    from pcqtool.model.directory import ModelConfig, save
    from pcqtool.model.encoders import EncoderConfig
    from pcqtool.model.network_settings import network_config_to_json
    from pcqtool.model.pcq import PCQ, PCQConfig

    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    front_end = {"conv_dim": [8] * 7, "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 2}
    labels = ("anger", "neutral", "sadness")
    network = PCQConfig(
        labels,
        mlcnn_channels=(4, 8),
        mlcnn_strides=(2, 2),
        classifier_hidden=(8,),
        encoder=EncoderConfig("wavlm", sizes | front_end),
    )
    directory = tmp_path_factory.mktemp("models") / "small-wavlm"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        save(
            directory,
            ModelConfig("small", labels, network_config_to_json(network)),
            PCQ(network).eval(),
            {},
            "Random weights.",
        )
    return directory
