from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from pcqtool.labelling.settings import LabelSettings
from pcqtool.model.directory import ModelConfig
from pcqtool.tables.provenance import Provenance

LABELS = ("anger", "neutral", "sadness")


class FakePredictor:
    """Judges a segment by its samples alone, to the bit, without torch."""

    def __init__(self):
        self.batches = []
        self.n_samples = []

    def log_probs(self, waves, n_samples=None):
        self.batches.append(len(waves))
        self.n_samples += [None] * len(waves) if n_samples is None else n_samples.tolist()
        digests = [hashlib.sha256(wave.tobytes()).digest() for wave in waves]
        logits = np.array([[digest[0], digest[1], digest[2]] for digest in digests]) / 64.0
        return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


@pytest.fixture
def predictor() -> FakePredictor:
    return FakePredictor()


@pytest.fixture
def config() -> ModelConfig:
    return ModelConfig("fake", LABELS, {})


@pytest.fixture
def provenance(config: ModelConfig) -> Provenance:
    return LabelSettings().provenance(config, "ab" * 32)


@pytest.fixture
def call_folder(tmp_path: Path, write_wave) -> Path:
    """Seven recordings of different lengths."""
    for number in range(7):
        write_wave(f"calls/{number}.wav", seconds=0.4 + 1.3 * number, seed=number)
    return tmp_path / "calls"
