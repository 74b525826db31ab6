from __future__ import annotations

import base64

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcqtool.report.page.packing import pack_codes, pack_fractions, pack_integers, pack_times, pack_words


def unpack_integers(packed):
    """The page's own decoder, in Python."""
    found, value, shift, before = [], 0, 0, 0
    for byte in base64.b64decode(packed["data"]):
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            number = (value >> 1) ^ -(value & 1)
            before = before + number if packed["differences"] else number
            found.append(before)
            value = shift = 0
    return found


@given(st.lists(st.integers(-(2**45), 2**45)), st.booleans())
def test_integers_come_back(values, differences):
    assert unpack_integers(pack_integers(np.array(values, np.int64), differences)) == values


def test_times_are_hundredths_and_regular_ones_take_two_bytes():
    starts = np.arange(1000) * 3.0
    packed = pack_times(starts, differences=True)
    assert unpack_integers(packed) == [round(100 * start) for start in starts]
    assert len(base64.b64decode(packed["data"])) <= 2 * len(starts)
    assert unpack_integers(pack_times(np.array([0.0, np.nan, 1.239]))) == [0, -1, 124]


@pytest.mark.parametrize(("precise", "largest", "none"), [(False, 254, 255), (True, 65534, 65535)])
def test_fractions_are_close_and_none_stays_none(precise, largest, none):
    values = np.array([[0.0, 1.0, np.nan], [0.123, 0.5, 1.0000001]])
    packed = pack_fractions(values, precise)
    found = np.frombuffer(base64.b64decode(packed["data"]), "<u2" if precise else "u1").reshape(2, 3)
    assert found[0, 2] == none
    kept = ~np.isnan(values)
    assert np.abs(found[kept] / largest - values[kept]).max() <= 0.5 / largest + 1e-6


def test_words_are_stored_once_and_codes_have_one_byte():
    packed = pack_words(pl.Series(["b", None, "a", "b"]))
    assert (packed["values"], unpack_integers(packed["index"])) == (["a", "b"], [1, -1, 0, 1])
    assert pack_words(pl.Series([None, None], dtype=pl.String))["values"] == []
    assert base64.b64decode(pack_codes(np.array([0, -1, 7]))["data"]) == b"\x00\xff\x07"
