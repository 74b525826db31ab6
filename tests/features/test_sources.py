from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch

from pcqtool.errors import ModelError, SettingsError
from pcqtool.features.settings import FeatureSettings
from pcqtool.features.sources import origin
from pcqtool.model.directory import EncoderSearchPath, load, model_sha256, read_config

WAVES = np.random.default_rng(0).normal(0, 0.1, (2, 48000)).astype(np.float32)
N_SAMPLES = np.array([48000, 20000])


def origin_of(what, model=None, encoder=None, layer=None, places=None):
    settings = FeatureSettings(what=what, layer=layer)
    return origin(settings, model and str(model), encoder and str(encoder), places or EncoderSearchPath(()))


def test_the_papers_spectrogram_needs_no_model():
    paper = origin_of("spectrogram")
    assert paper.identify().sha256 == ""
    assert paper.network("cpu").shape == (300, 200)


def test_a_models_fusion_vector_is_what_its_classifier_sees(tiny_model):
    found = origin_of("fusion", tiny_model)
    assert (found.identify().name, found.identify().sha256) == ("tiny", model_sha256(tiny_model))
    assert found.identify().about == "nothing at all"
    model, _ = load(tiny_model)
    with torch.no_grad():
        prediction = model(torch.from_numpy(WAVES), torch.from_numpy(N_SAMPLES))
    values = found.network("cpu").compute(WAVES, N_SAMPLES)
    np.testing.assert_allclose(values, prediction.embedding.numpy(), atol=1e-6)
    with torch.no_grad():
        np.testing.assert_allclose(model.classifier(torch.from_numpy(values)), prediction.logits, atol=1e-5)


def test_a_models_spectrogram_and_frames(external_model, tiny_whisper):
    places = EncoderSearchPath((tiny_whisper,))
    model, _ = load(external_model, places)
    with torch.no_grad():
        frames = model(torch.from_numpy(WAVES)).frames.numpy()
        level = model.spectrogram(torch.from_numpy(WAVES)).numpy()
    for what, expected in (("frames", frames), ("spectrogram", level)):
        found = origin_of(what, external_model, places=places).network("cpu").compute(WAVES, N_SAMPLES)
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_model_without_encoder_has_no_frames(tiny_model):
    with pytest.raises(SettingsError, match="model tiny has no encoder"):
        origin_of("frames", tiny_model).network("cpu")


def test_an_encoder_is_known_by_the_hash_that_models_name_it_by(external_model, tiny_whisper):
    named = read_config(external_model).encoder_source
    found = origin_of("frames", encoder=tiny_whisper, layer=1)
    assert (found.identify().name, found.identify().sha256) == (tiny_whisper.name, named.sha256)
    assert found.network("cpu").shape == (150, 16)
    assert found.identify().settings != origin_of("frames", encoder=tiny_whisper, layer=0).identify().settings


@pytest.mark.parametrize("what", ["fusion", "spectrogram"])
def test_an_encoder_alone_has_only_frames(tiny_whisper, what):
    with pytest.raises(SettingsError, match=f"does not compute {what}"):
        origin_of(what, encoder=tiny_whisper)


def test_what_is_not_there_is_told(tmp_path):
    with pytest.raises(SettingsError, match="no model"):
        origin_of("fusion", tmp_path)
    with pytest.raises(ModelError, match="no such directory"):
        origin_of("frames", encoder=f"{tmp_path}/nowhere").identify()


def test_knowing_a_model_loads_no_torch(tiny_model):
    code = (
        "import sys; from pcqtool.features.sources import origin;"
        "from pcqtool.features.settings import FeatureSettings;"
        "from pcqtool.model.directory import EncoderSearchPath;"
        f"origin(FeatureSettings(), {str(tiny_model)!r}, None, EncoderSearchPath(())).identify();"
        "assert not {'torch', 'transformers', 'sklearn', 'polars', 'pandas'} & sys.modules.keys()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("origin", ["encoder", "model", "paper"])
def test_each_device_gets_a_network_of_its_own(external_model, tiny_whisper, origin, monkeypatch):
    monkeypatch.setattr("pcqtool.features.network.FeatureNetwork", lambda module, features, device: module)
    found = {
        "encoder": lambda: origin_of("frames", encoder=tiny_whisper),
        "model": lambda: origin_of("fusion", external_model, places=EncoderSearchPath((tiny_whisper,))),
        "paper": lambda: origin_of("spectrogram"),
    }[origin]()
    assert found.network("cpu") is not found.network("cpu")
