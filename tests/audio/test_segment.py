from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcqtool.audio.segment import SAMPLE_RATE, SEGMENT_S, Segmenter


@given(st.lists(st.integers(0, 25), max_size=20), st.integers(1, 12))
def test_every_sample_is_in_exactly_one_segment(sizes: list[int], length: int) -> None:
    values = np.arange(1, sum(sizes) + 1)
    cutter = Segmenter(length, np.int64)
    whole = [cutter.push(block) for block in np.split(values, np.cumsum(sizes)[:-1])] if sizes else []
    tail, lengths = cutter.flush()
    assert all(rows.shape[1] == length for rows in [*whole, tail])
    rest = [row[:n] for row, n in zip(tail, lengths, strict=True)]
    flat = np.concatenate([values[:0], *(rows.ravel() for rows in whole), *rest])
    np.testing.assert_array_equal(flat, values)
    for row, n in zip(tail, lengths, strict=True):
        assert 0 < n < length
        assert not row[n:].any()


@pytest.mark.parametrize(
    ("n", "whole", "tail"), [(48000, 1, 0), (48001, 1, 1), (47999, 0, 1), (0, 0, 0), (96000, 2, 0)]
)
def test_the_papers_segments(n: int, whole: int, tail: int) -> None:
    cutter = Segmenter(round(SEGMENT_S * SAMPLE_RATE), np.float32)
    assert len(cutter.push(np.ones(n, np.float32))) == whole
    assert len(cutter.flush()[0]) == tail


def test_segments_do_not_change_when_the_block_is_used_again() -> None:
    cutter = Segmenter(4, np.int64)
    block = np.arange(3)
    cutter.push(block)
    block[:] = -1
    assert cutter.flush()[0].tolist() == [[0, 1, 2, 0]]
