from __future__ import annotations

import pytest

from pcqtool.fingerprint import fingerprint


def test_values_on_disk_stay_the_same():
    assert fingerprint({"vad": True, "channels": "mix"}) == "9bebe138e6c9f40a"
    assert fingerprint([1, "a", None], 64) == "b9d7fba5cc7137e777464343b98efea73bd991be06791bfd94afa5a42a86f95b"


def test_the_order_of_keys_does_not_matter_and_any_value_does():
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    assert len({fingerprint(value) for value in ([1, 2], [2, 1], ["1", "2"], {"1": 2}, None)}) == 5


def test_values_that_are_not_json_are_refused():
    with pytest.raises(TypeError):
        fingerprint(object())
