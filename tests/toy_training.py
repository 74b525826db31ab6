"""Fixtures for training and evaluation: a corpus and recipes so small that a training run takes a second."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from pcqtool.corpora.base import Corpus, Utterance
from pcqtool.corpora.manifest.corpus import Manifest
from pcqtool.corpora.pool import CorpusPool, PooledCorpus
from pcqtool.splits import PROTOCOLS, Fold
from pcqtool.training.augmentation import Augmentations
from pcqtool.training.recipe import Recipe

MINI = {"kind": "mini", "architecture": {"dim": 16, "n_blocks": 1, "expansion": 2, "n_mels": 16}}
NETWORK = {
    "spectrogram_pool": [8, 4],
    "classifier_hidden": [8],
    "mlcnn_channels": [4, 8],
    "mlcnn_strides": [2, 2],
    "dropout": 0.0,
}


@pytest.fixture(autouse=True)
def one_thread():
    """One thread: same sums in the same order, whatever ran before, and no fight for cores."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def utterances(toy_root: Path) -> list[Utterance]:
    return Manifest(toy_root).utterances()


@pytest.fixture(scope="session")
def pool_of() -> Callable[..., CorpusPool]:
    """Return a pool of one corpus's utterances."""

    def make(name: str, utterances: list[Utterance], corpus: Corpus | None = None) -> CorpusPool:
        return CorpusPool((PooledCorpus(name, corpus or Manifest(Path()), tuple(utterances)),))

    return make


@pytest.fixture(scope="session")
def pool(pool_of, utterances) -> CorpusPool:
    return pool_of("manifest", utterances)


@pytest.fixture(scope="session")
def fold(utterances) -> Fold:
    """Two speakers train, one validates, one tests."""
    return PROTOCOLS["loso"].folds(utterances, 0)[0]


@pytest.fixture(scope="session")
def toy_recipe() -> Callable[..., Recipe]:
    """Return a recipe; ``encoder`` is an entry of the network's, or "mini", and ``network`` has more of them."""

    def make(encoder: Any = None, network: Mapping[str, Any] = MappingProxyType({}), **changes: Any) -> Recipe:
        network = NETWORK | network
        if encoder is not None:
            network |= {"encoder": MINI if encoder == "mini" else encoder}
        usual = {
            "epochs": 15,
            "batch_size": 8,
            "lr": 1e-2,
            "n_augmented": 1,
            "warmup_steps": 3,
            "label_smoothing": 0.0,
            "augmentations": Augmentations(0.02, p_reverb=0.0, p_noise=0.0, tilt_db=1.0, p_telephone=0.0, p_codec=0.0),
            "seed": 1,
        }
        return Recipe("toy", network, **usual | changes)

    return make


@pytest.fixture(scope="session")
def experiment(utterances, toy_recipe):
    import torch

    from pcqtool.training.experiment import Experiment

    return Experiment(utterances, toy_recipe(), torch.device("cpu")).prepare()


@pytest.fixture(scope="session")
def setup_of(experiment):
    """Make the setup of a training run on the toy corpus."""
    import torch

    from pcqtool.training.data import TrainingSetup

    def make(recipe, train, **changes):
        usual = {
            "network": experiment.network,
            "config": experiment.config,
            "data": experiment.data,
            "targets": experiment.targets,
        }
        usual |= {"groups": experiment.groups}
        return TrainingSetup(train=train, recipe=recipe, device=torch.device("cpu"), **usual | changes)

    return make


@pytest.fixture(scope="session")
def logits_of():
    """Predict the logits of the segments of utterances."""
    from pcqtool.training.network_inputs import FrontEnds
    from pcqtool.training.trainer import predict_logits

    def predict(model, data, utterances, assignment=None):
        return predict_logits(FrontEnds.of(model, data, data.recorded_rows(utterances)), utterances, assignment)

    return predict


@pytest.fixture(scope="session")
def predict(logits_of):
    """Predict calibrated probabilities of utterances of an experiment."""
    from pcqtool.training.trainer import file_probabilities

    def probabilities(experiment, trained, utterances):
        logits = logits_of(trained.model, experiment.data, utterances)
        rule = experiment.recipe.aggregation
        return file_probabilities(logits, experiment.data, utterances, rule, trained.temperatures.profiled)

    return probabilities


@pytest.fixture(scope="session")
def trained(experiment, fold):
    """The toy recipe's model; not to be changed."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    model = experiment.train(fold, 1)
    torch.set_num_threads(before)
    return model


LABELS = ("anger", "neutral", "sadness")


@pytest.fixture(scope="session")
def prediction_table():
    """Return a table of predictions, given (file, truth, speaker, label, probability of it[, seed]) of each.

    The fold is the speaker. The other two labels share the rest; nothing is calibrated.
    """
    import pyarrow as pa

    from pcqtool.tables.order import in_order
    from pcqtool.tables.schema import predictions_schema

    def make(rows: list[tuple[Any, ...]]):
        entries = []
        for file, truth, speaker, label, sure, *seed in rows:
            share = {name: sure if number == label else (1 - sure) / 2 for number, name in enumerate(LABELS)}
            entries.append(
                {"file": file, "channel": "mix", "n_segments": 1, "status": "ok", "truth": LABELS[truth]}
                | {"speaker": speaker, "fold": speaker, "seed": seed[0] if seed else 0, "temperature": 1.0}
                | {"label": LABELS[label], "confidence": sure}
                | {f"{kind}_{name}": value for kind in ("prob", "uncalibrated") for name, value in share.items()}
            )
        return in_order(pa.Table.from_pylist(entries, predictions_schema(LABELS)))

    return make


@pytest.fixture(scope="session")
def predictions(prediction_table):
    """The same, taken apart."""
    from pcqtool.evaluation.predictions import Predictions

    return lambda rows: Predictions.from_table(prediction_table(rows), LABELS)


@pytest.fixture
def save_run(prediction_table, tmp_path) -> Callable[..., Path]:
    """Write an evaluation of these predictions into a directory of this name, and return the directory."""
    from pcqtool.evaluation.run_directory import Evaluation

    def save(name: str, rows: list[tuple[Any, ...]], **changes: Any) -> Path:
        usual = {"corpus": "toy", "protocol": "loso", "leakage": "Test shares no file.", "leaks": False}
        metrics = usual | {"labels": list(LABELS), "pooled": {}} | changes
        Evaluation(metrics, prediction_table(rows), "toy", "", "mean-log").save(tmp_path / name)
        return tmp_path / name

    return save


def spoken(n_wrong: int = 0, n_speakers: int = 4, n_files: int = 6) -> list[tuple[Any, ...]]:
    """Return rows in which each speaker's first files are predicted wrongly."""
    return [
        (f"{speaker}-{take}", take % 3, f"s{speaker}", (take + (take < n_wrong)) % 3, 0.8)
        for speaker in range(n_speakers)
        for take in range(n_files)
    ]


TOY_RECIPE = """
epochs = 1
n_augmented = 0
batch_size = 8
warmup_steps = 0
cache = false

[network]
spectrogram_pool = [8, 4]
mlcnn_channels = [4, 8]
mlcnn_strides = [2, 2]
classifier_hidden = [8]
"""
"""A recipe's file: one epoch of a small network. More settings of the network may follow."""
