from __future__ import annotations

import pytest

from tests.toy_training import *  # noqa: F403


@pytest.fixture(autouse=True)
def _states_in_float32(monkeypatch):
    """Cache hidden states in float32 on every processor, so that they can be compared with the encoder's own."""
    monkeypatch.setattr("pcqtool.training.feature_cache.is_fast_in_bfloat16", lambda device: False)
