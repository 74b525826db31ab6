from __future__ import annotations

import pytest

from pcqtool.errors import SettingsError
from pcqtool.labels import ALIASES, VOCABULARY, canonical, normalise_label, sort_labels


def test_names_and_aliases_lead_into_the_vocabulary():
    assert [canonical(name) for name in (" Angry", "JOY", "neutral")] == ["anger", "happiness", "neutral"]
    assert set(ALIASES.values()) <= set(VOCABULARY)
    assert not set(ALIASES) & set(VOCABULARY)
    with pytest.raises(SettingsError, match="unknown emotion 'Hungry'"):
        canonical("Hungry")
    assert (normalise_label(" Hungry "), normalise_label("Happy")) == ("hungry", "happiness")


def test_the_order_is_the_vocabularys_and_others_come_last():
    assert sort_labels(["sadness", "zeal", "anger", "hunger", "sadness"]) == ("anger", "sadness", "hunger", "zeal")
