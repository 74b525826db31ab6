"""Runs made on the spot: small ones, whose figures can be worked out by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

LABELS = ("anger", "neutral", "sadness")
# true, judged: of 8 angry files 6 are judged right, of 4 neutral ones 2, of 4 sad ones all
COUNTS = [[6, 2, 0], [1, 2, 1], [0, 0, 4]]


def scores(**changes: Any) -> dict[str, Any]:
    """What stands under ``pooled``."""
    usual = {"n": 16, "wa": 0.75, "ua": 0.75, "macro_f1": 0.7, "ece": 0.05, "ece_uncalibrated": 0.2}
    recall = dict(zip(LABELS, (0.75, 0.5, 1.0), strict=True))
    intervals = {"wa_interval": [0.625, 0.875], "ua_interval": [0.6, 0.9]}
    return {**usual, "recall": recall, "confusion": COUNTS, **intervals, **changes}


def metrics(**changes: Any) -> dict[str, Any]:
    """What stands in ``metrics.json``."""
    shared = {"files": 0, "speakers": 0, "sessions": None, "texts": 4}
    usual = {
        "corpus": "emodb",
        "protocol": "loso",
        "leaks": False,
        "shared": {"test": shared, "validation": shared},
        "labels": list(LABELS),
        "seeds": [0, 1],
        "over_seeds": {"wa": {"mean": 0.75, "sd": 0.01}, "ua": {"mean": 0.75, "sd": 0.02}},
        "folds": {"wa": {"mean": 0.74, "sd": 0.05}, "ua": {"mean": 0.73, "sd": 0.06}},
        "recipe": {"name": "toy"},
        "encoder": None,
        "teacher": None,
        "command": "pcqtool evaluate --corpus emodb",
        "data": {"corpus": "emodb", "n_utterances": 16, "n_speakers": 4, "hours": 0.01},
        "machine": {"processor": "Abacus 3000", "n_cores": 2, "device": "cpu"},
        "tool_version": "9.9",
        "torch_version": "8.8",
        "created": "2024-02-29",
    }
    return {**usual, "pooled": scores(), **changes}


@pytest.fixture
def write_run(tmp_path: Path) -> Callable[..., Path]:
    """Write a run's ``metrics.json`` into a directory of this name, and give the directory."""

    def write(name: str = "run", **changes: Any) -> Path:
        place = tmp_path / name
        place.mkdir(parents=True, exist_ok=True)
        (place / "metrics.json").write_text(json.dumps(metrics(**changes)))
        return place

    return write


@pytest.fixture
def words() -> Callable[[Path], list[str]]:
    """Give the texts in an SVG, which must parse."""

    def read(path: Path) -> list[str]:
        root = ElementTree.fromstring(path.read_text(encoding="utf-8"))  # noqa: S314
        return ["".join(each.itertext()).strip() for each in root.iter("{http://www.w3.org/2000/svg}text")]

    return read


@pytest.fixture
def predictions() -> Any:
    """Forty predictions of two seeds: eight of ten at confidence 0.8 are right, and as many at 0.95 without scaling."""
    from pcqtool.evaluation.predictions import Predictions

    n = 40
    truth = np.arange(n) % 3
    label = np.where(np.arange(n) % 5 == 0, (truth + 1) % 3, truth)
    calibrated = np.full((n, 3), 0.1)
    calibrated[np.arange(n), label] = 0.8
    raw = np.full((n, 3), 0.025)
    raw[np.arange(n), label] = 0.95
    names = np.array([f"s{number % 4}" for number in range(n)], object)
    keys = np.array([(f"{number // 2}.wav", None, "mix") for number in range(n)] + [()], object)[:-1]
    return Predictions(LABELS, keys, truth, label, calibrated, raw, names, names, np.arange(n, dtype=object) % 2)
