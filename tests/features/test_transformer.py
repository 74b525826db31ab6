from __future__ import annotations

import pickle
import subprocess
import sys

import numpy as np
import pytest
import soundfile
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import LeaveOneGroupOut, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from pcqtool.audio.reader import load_waveform
from pcqtool.cli import app
from pcqtool.errors import AudioError, SettingsError
from pcqtool.features import Extractor, read_features


@pytest.fixture
def paths(tmp_path, write_wave):
    return [write_wave(f"calls/{n}.wav", seconds=0.5 + 3.2 * n, seed=n) for n in range(4)]


def test_vectors_are_those_of_the_command(paths, tiny_whisper, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    command = ["extract", "calls", "--what", "statistics", "--encoder", str(tiny_whisper), "--layer", "1"]
    assert app.main([*command, "--vad", "off"]) == 0
    expected = np.hstack([read_features("features.parquet", f"frames_{statistic}")[0] for statistic in ("mean", "sd")])
    for batch_size in (1, 3):
        extractor = Extractor(encoder=str(tiny_whisper), layer=1, batch_size=batch_size)
        np.testing.assert_allclose(extractor.fit_transform(paths), expected, atol=1e-5)
    one = Extractor(encoder=str(tiny_whisper), layer=1, statistics=["sd"]).fit(paths)
    np.testing.assert_allclose(one.transform(paths[:2]), expected[:2, 16:], atol=1e-5)
    assert one.get_feature_names_out()[[0, -1]].tolist() == ["frames_sd_0", "frames_sd_15"]


def test_paths_and_waves_are_the_same(paths):
    extractor = Extractor("spectrogram")
    expected = extractor.transform(paths)
    assert expected.shape == (4, 400)
    mixed = [str(paths[0]), load_waveform(paths[1]), load_waveform(paths[2]).astype(np.float64), paths[3]]
    np.testing.assert_allclose(extractor.transform(mixed), expected, atol=1e-4)
    assert extractor.transform([]).shape == (0, 400)


def test_channels_that_cancel_or_are_dead_are_not_mixed(paths, tmp_path):
    wave, rate = soundfile.read(paths[1])
    stereo = []
    for name, second in (("inverted.wav", -wave), ("dead.wav", 0 * wave)):
        stereo.append(tmp_path / name)
        soundfile.write(stereo[-1], np.stack((wave, second), 1), rate)
    one, *others = Extractor("spectrogram").transform([paths[1], *stereo])
    for other in others:
        np.testing.assert_array_equal(other, one)


def test_it_stands_in_a_pipeline_and_its_copies_do_too(toy_root, tiny_model):
    paths = sorted(toy_root.glob("*.wav"))
    labels = [path.name.split("-")[0] for path in paths]
    speakers = [path.name.split("-")[1] for path in paths]
    pipeline = make_pipeline(Extractor("spectrogram"), StandardScaler(), LogisticRegression())
    scores = cross_val_score(pipeline, paths, labels, groups=speakers, cv=LeaveOneGroupOut(), error_score="raise")
    assert np.mean(scores) > 0.6  # chance is a third
    fitted = pipeline.fit(paths, labels)
    again = pickle.loads(pickle.dumps(fitted))  # noqa: S301
    assert again.predict(paths).tolist() == fitted.predict(paths).tolist()
    assert len(pickle.dumps(fitted[0])) < 2000
    assert pipeline[:1].get_feature_names_out().shape == (400,)
    frame = Extractor("fusion", model=str(tiny_model)).set_output(transform="pandas").fit_transform(paths[:2])
    assert frame.columns.tolist()[0] == "fusion_mean_0"


def test_a_clone_has_the_settings_and_none_of_the_network(paths):
    extractor = Extractor("spectrogram", statistics=["mean"], batch_size=2)
    extractor.transform(paths)
    copy = clone(extractor)
    assert copy.get_params() == extractor.get_params()
    assert "_loaded" in vars(extractor)
    assert "_loaded" not in vars(copy)
    extractor.set_params(statistics=["sd", "mean"])
    assert extractor.transform(paths).shape == (4, 400)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"of": "mfcc"}, "mfcc"),
        ({"statistics": ["median"]}, "median"),
        ({"statistics": []}, "statistics"),
        ({"channels": "split"}, "split"),
        ({"of": "fusion", "layer": 1}, "layer"),
    ],
)
def test_settings_are_checked_before_the_work(settings, said):
    with pytest.raises(SettingsError, match=said):
        Extractor(**settings).fit([])


def test_what_makes_no_vector_is_named(tmp_path, write_wave):
    extractor = Extractor("spectrogram")
    (tmp_path / "bad.wav").write_text("dear diary")
    with pytest.raises(AudioError, match=r"bad\.wav"):
        extractor.transform([tmp_path / "bad.wav"])
    with pytest.raises(AudioError, match="recording 1: no audio"):
        extractor.transform([np.ones(100), np.ones(0)])
    with pytest.raises(SettingsError, match=r"shape \(2, 100\)"):
        extractor.transform([np.ones((2, 100))])
    with pytest.raises(SettingsError, match="finite"):
        extractor.transform([np.full(100, np.nan)])
    silence = write_wave("silence.wav", silent=True, seconds=4.0)
    with pytest.raises(AudioError, match=r"silence\.wav: no speech"):
        Extractor("spectrogram", vad=True).transform([silence])


def test_importing_it_loads_no_torch():
    code = (
        "import sys; import pcqtool.features; assert 'sklearn' not in sys.modules;"
        "from pcqtool.features import Extractor; Extractor().get_params();"
        "assert not {'torch', 'transformers', 'polars', 'openvino'} & sys.modules.keys(), 'loaded'"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
