"""Corpora that are lists of names: nothing is read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pcqtool.corpora.base import Utterance


@pytest.fixture(scope="session")
def corpus() -> Callable[..., list[Utterance]]:
    """Make a corpus: every speaker says every label as often, two speakers make a session, a take is a text."""

    def make(n_speakers: int, labels: str = "ab", takes: int = 1) -> list[Utterance]:
        return [
            Utterance(Path(f"{speaker}{label}{take}.wav"), label, f"s{speaker:02d}", f"p{speaker // 2}", f"t{take:02d}")
            for take in range(takes)
            for speaker in range(n_speakers)
            for label in labels
        ]

    return make
