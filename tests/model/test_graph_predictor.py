from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis.strategies import integers, sampled_from
from safetensors.numpy import load_file, save_file
from safetensors.torch import save_file as save_tensors

from pcqtool.errors import ModelError, SettingsError
from pcqtool.model import graph_predictor, predictors
from pcqtool.model.config import ModelConfig
from pcqtool.model.directory import WEIGHTS, find, read_config, save
from pcqtool.model.encoder_search import EncoderSearchPath
from pcqtool.model.encoders import EncoderConfig
from pcqtool.model.graph.runtime import fastest_format
from pcqtool.model.graph_predictor import N_SAMPLES, GraphPredictor, has_graph
from pcqtool.model.network_settings import network_config_to_json
from pcqtool.model.pcq import PCQ, PCQConfig
from pcqtool.model.predictor import Predictor
from pcqtool.model.predictors import load_predictors
from pcqtool.model.profile import Profile
from pcqtool.model.segment_predictor import SegmentPredictor

LENGTHS = np.array([48000, 48000, 31000, 9000, 37, 0])


@pytest.fixture(scope="module")
def segments() -> np.ndarray:
    """Noises of different colours and levels, and silence, each of its length."""
    rng = np.random.default_rng(0)
    waves = np.cumsum(rng.normal(0, 0.01, (len(LENGTHS), 48000)), axis=1) * [[1.0], [1e-3], [0.3], [2.0], [1.0], [1.0]]
    waves += rng.normal(0, 0.05, waves.shape)
    return np.where(np.arange(48000) < LENGTHS[:, None], waves, 0.0).astype(np.float32)


@pytest.fixture(scope="module", params=["pcq-mini", "pcq-mini-emodb"])
def pair(request: pytest.FixtureRequest) -> tuple[SegmentPredictor, SegmentPredictor]:
    return GraphPredictor(find(request.param), n_threads=2), Predictor(find(request.param), "cpu")


def test_the_graph_computes_what_torch_computes(
    pair: tuple[SegmentPredictor, SegmentPredictor], segments: np.ndarray
) -> None:
    graph, network = pair
    expected = network.log_probs(segments, LENGTHS)
    np.testing.assert_allclose(graph.log_probs(segments, LENGTHS), expected, atol=1e-4)
    assert np.ptp(expected, axis=0).max() > 0.5, "segments that differ"
    np.testing.assert_allclose(graph.log_probs(segments), network.log_probs(segments), atol=1e-4)
    for each in (1, 3):
        np.testing.assert_allclose(graph.log_probs(segments[:each], LENGTHS[:each]), expected[:each], atol=1e-4)


def test_the_fastest_precision_changes_probabilities_by_less_than_a_hundredth(segments: np.ndarray) -> None:
    path = find("pcq-mini")
    exact = GraphPredictor(path, n_threads=1).log_probs(segments, LENGTHS)
    rounded = GraphPredictor(path, 1, fastest_format()).log_probs(segments, LENGTHS)
    assert np.abs(np.exp(rounded) - np.exp(exact)).max() < 0.01
    assert (rounded.argmax(axis=1) == exact.argmax(axis=1)).all()


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_results_do_not_depend_on_the_batch(segments: np.ndarray, precision: str) -> None:
    predictor = GraphPredictor(find("pcq-mini"), 2, precision)
    batch, lengths = np.tile(segments, (5, 1)), np.tile(LENGTHS, 5)
    expected = predictor.log_probs(batch, lengths)
    for rows in (slice(0, 1), slice(3, 20), slice(29, 30)):
        np.testing.assert_array_equal(predictor.log_probs(batch[rows], lengths[rows]), expected[rows])


@settings(max_examples=8, deadline=None, derandomize=True)
@given(
    n_blocks=integers(1, 3),
    n_layers=integers(2, 3),
    kernel=sampled_from([1, 3, 7]),
    channels=sampled_from([(8, 12), (4, 8, 8), (16, 12, 8, 4)]),
    strides=sampled_from([(2, 2, 2, 2), (1, 2, 3, 2)]),
    pool=sampled_from([(8, 4), (5, 3), (16, 16)]),
    frame_pool=integers(1, 4),
    n_samples=sampled_from([16000, 48000]),
)
def test_networks_of_other_sizes_are_those_of_torch(
    n_blocks: int,
    n_layers: int,
    kernel: int,
    channels: tuple[int, ...],
    strides: tuple[int, ...],
    pool: tuple[int, int],
    frame_pool: int,
    n_samples: int,
) -> None:
    sizes = {"dim": 16, "n_blocks": n_blocks, "kernel": kernel, "expansion": 2, "n_mels": 20}
    layers = tuple(np.arange(-n_layers, 0) % (n_blocks + 1))
    encoder = EncoderConfig("mini", sizes, tuple(map(int, layers)), frozen=True, concat_layers=True)
    network = PCQConfig(
        ("anger", "neutral", "sadness"),
        channels,
        strides,
        pool,
        query="projected",
        encoder=encoder,
        frame_pool=frame_pool,
        classifier_hidden=(),
        mask_padding=True,
        fusion_batch_norm=True,
        profile_s=30.0,
    )
    torch.manual_seed(0)
    model = PCQ(network).eval()
    for name, value in model.state_dict().items():
        if "running_mean" in name or "mean" in name.rsplit(".", 1)[-1]:
            value.normal_(0, 0.1)
        elif "running_" in name:
            value.uniform_(0.5, 2)
    waves = np.random.default_rng(1).normal(0, 0.1, (3, n_samples)).astype(np.float32)
    lengths = np.array([n_samples, n_samples // 2, 700])
    waves[np.arange(n_samples) >= lengths[:, None]] = 0
    with TemporaryDirectory() as folder:
        config = ModelConfig("toy", network.labels, network_config_to_json(network))
        save(Path(folder), config, model, {}, "")
        assert has_graph(read_config(Path(folder)), n_samples)
        graph, expected = GraphPredictor(Path(folder), 1, n_samples=n_samples), Predictor(Path(folder), "cpu")
        for method in ("moments", "log_probs"):
            found, wanted = (getattr(each, method)(waves, lengths) for each in (graph, expected))
            np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-3)


def test_profiles_are_measured_and_used_alike(
    pair: tuple[SegmentPredictor, SegmentPredictor], segments: np.ndarray
) -> None:
    graph, network = pair
    moments = network.moments(segments, LENGTHS)
    np.testing.assert_allclose(graph.moments(segments, LENGTHS), moments, rtol=1e-4, atol=1e-4)
    groups = [Profile.measured(moments[part], LENGTHS[part] / 16000) for part in (slice(0, 2), slice(2, 5))]
    rows = np.array([0, 1, 1, 0, 1, 0])
    for predictor in pair:
        predictor.use_profiles(groups)
    expected = network.log_probs(segments, LENGTHS, rows)
    np.testing.assert_allclose(graph.log_probs(segments, LENGTHS, rows), expected, atol=1e-4)
    assert np.abs(expected - network.log_probs(segments, LENGTHS)).max() > 0.01, "the groups differ"
    assert graph.temperature(groups[0]) == network.temperature(groups[0])


def test_a_model_of_other_labels_has_the_same_graph(tmp_path: Path, segments: np.ndarray) -> None:
    fewer = tmp_path / "fewer"
    shutil.copytree(find("pcq-mini"), fewer)
    text = (fewer / "config.json").read_text(encoding="utf-8")
    (fewer / "config.json").write_text(text.replace('  "surprise"\n ],', '  "other"\n ],').replace('"fear",\n', ""))
    weights = load_file(fewer / WEIGHTS)
    for name in ("classifier.1.weight", "classifier.1.bias"):
        weights[name] = np.ascontiguousarray(weights[name][:7])
    save_file(weights, fewer / WEIGHTS)
    assert len(read_config(fewer).labels) == 7
    expected = Predictor(fewer, "cpu").log_probs(segments, LENGTHS)
    np.testing.assert_allclose(GraphPredictor(fewer, n_threads=1).log_probs(segments, LENGTHS), expected, atol=1e-4)


@pytest.mark.parametrize("fault", ["missing", "shape", "nan"])
def test_damaged_weights_are_named(tmp_path: Path, fault: str) -> None:
    shutil.copytree(find("pcq-mini"), tmp_path / "m")
    weights = load_file(tmp_path / "m" / WEIGHTS)
    name = "encoder.stem.join.weight"
    if fault == "missing":
        del weights[name]
    elif fault == "shape":
        weights[name] = weights[name][:, :4].copy()
    else:
        weights[name][0, 0] = np.nan
    save_file(weights, tmp_path / "m" / WEIGHTS)
    with pytest.raises(ModelError, match=name):
        GraphPredictor(tmp_path / "m", n_threads=1)


def test_which_models_have_a_graph() -> None:
    mini, whisper = read_config(find("pcq-mini")), read_config(find("pcq-whisper-base"))
    assert has_graph(mini, N_SAMPLES)
    assert has_graph(mini, N_SAMPLES // 3 * 2), "segments of another length"
    assert not has_graph(mini, N_SAMPLES + 160), "frames of the encoder that are not whole"
    assert not has_graph(whisper, N_SAMPLES)
    assert has_graph(replace(mini, network={**mini.network, "frame_pool": 1}), N_SAMPLES)
    for change in (
        {"query": "pooled"},
        {"csq": False},
        {"profile_s": 0.0},
        {"frame_pool": "2"},
        {"encoder": None},
        {"kind": "other"},
    ):
        assert not has_graph(replace(mini, network={**mini.network, **change}), N_SAMPLES), change


@pytest.mark.parametrize(
    ("table", "change"),
    [
        ("encoder", {"architecture": []}),
        ("encoder", {"architecture": {"depth": 3}}),
        ("encoder", {"layers": [0, 9]}),
        ("spectrogram", {"n_fft": 256, "window": 200}),
        ("spectrogram", {"window": 801}),
        ("spectrogram", {"floor_db": 0}),
        ("", {"foo": 1}),
        ("", {"mlcnn_channels": [16]}),
        ("", {"mlcnn_channels": [16, 6]}),
        ("", {"spectrogram_pool": [1000, 4]}),
        ("", {"spectrogram_pool": [1, 1], "mlcnn_strides": [1, 1, 1, 1]}),
    ],
    ids=str,
)
def test_odd_settings_are_left_to_torch_which_says_what_is_wrong(table: str, change: dict[str, object]) -> None:
    mini = read_config(find("pcq-mini"))
    network = {**mini.network, **change} if not table else {**mini.network, table: {**mini.network[table], **change}}
    assert not has_graph(replace(mini, network=network), N_SAMPLES)


def test_weights_of_other_types_and_names_are_refused(tmp_path: Path) -> None:
    shutil.copytree(find("pcq-mini"), tmp_path / "m")
    path = tmp_path / "m" / WEIGHTS
    weights = {name: torch.from_numpy(array) for name, array in load_file(path).items()}
    name = "encoder.stem.join.weight"
    save_tensors(weights | {name: weights[name].bfloat16()}, path)
    with pytest.raises(ModelError, match=f"{name} contains BF16"):
        GraphPredictor(tmp_path / "m", n_threads=1)
    save_tensors(weights | {"extra": torch.zeros(3)}, path)
    with pytest.raises(ModelError, match="unexpected extra"):
        GraphPredictor(tmp_path / "m", n_threads=1)


def test_an_error_of_openvino_names_the_model_and_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(message: str) -> None:
        def compile_graph(*_: object) -> None:
            raise RuntimeError(message)

        monkeypatch.setattr(graph_predictor, "compile_graph", compile_graph)

    fail("no kernel for this processor\nwhile compiling")
    with pytest.raises(ModelError, match="pcq-mini: no kernel for this processor") as caught:
        GraphPredictor(find("pcq-mini"), n_threads=1).log_probs(np.zeros((1, N_SAMPLES), np.float32))
    assert "--runtime torch" in caught.value.hint
    fail("bad_alloc")
    with pytest.raises(MemoryError):
        GraphPredictor(find("pcq-mini"), n_threads=1).log_probs(np.zeros((1, N_SAMPLES), np.float32))


def test_the_runtime_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(model: str = "pcq-mini", device: str = "cpu", **options: str) -> str:
        found = load_predictors(find(model), device, EncoderSearchPath(), N_SAMPLES, **options)
        return type(found[0]).__name__

    assert load() == load(runtime="openvino") == load(precision="bfloat16") == "GraphPredictor"
    assert load(runtime="torch") == load(runtime="torch", precision="bfloat16") == "Predictor"
    monkeypatch.setattr(predictors, "_GPU_DRIVERS", ("/nowhere",))
    assert load(device="auto") == ("GraphPredictor" if sys.platform == "linux" else "Predictor")
    monkeypatch.setattr(predictors, "_GPU_DRIVERS", (str(Path(__file__)),))
    assert load(device="auto") == "Predictor", "there may be a GPU: torch knows"
    with pytest.raises(SettingsError, match="pcq-whisper-base"):
        load("pcq-whisper-base", runtime="openvino")
    monkeypatch.setattr(predictors, "is_installed", lambda: False)
    assert load() == "Predictor"
    with pytest.raises(SettingsError) as caught:
        load(runtime="openvino")
    assert "pip install openvino" in caught.value.hint


def test_labelling_with_a_bundled_model_loads_no_torch(tmp_path: Path) -> None:
    recording = Path(__file__).parents[2] / "examples" / "recordings" / "greeting.wav"
    code = (
        "import sys; from pcqtool.cli.app import main; code = main(sys.argv[1:]);"
        "unwanted = {'torch', 'torchaudio', 'transformers', 'pandas', 'scipy', 'sklearn', 'openvino_telemetry'};"
        "print(sorted(unwanted & sys.modules.keys()));"
        "sys.exit(code)"
    )
    arguments = ["label", str(recording), "--device", "cpu", "--out", str(tmp_path / "r.parquet"), "--quiet"]
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "[]"), done.stderr
