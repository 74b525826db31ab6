"""Runs made on the spot: small ones, whose figures can be worked out by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from tests.toy_training import prediction_table, save_run  # noqa: F401

LABELS = ("anger", "neutral", "sadness")


@pytest.fixture
def words() -> Callable[[Path], list[str]]:
    """Return the texts in an SVG, which must parse."""

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
