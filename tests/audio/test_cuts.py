from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcqtool.audio.cuts import EDGE, PAUSE, Cutter, GridCutter, PauseCutter, Span, TurnCutter, equal_parts

N = 48_000


def spans_of(cutter: Cutter, speech: np.ndarray, edges: list[int] | None = None) -> list[Span]:
    """All segments of a channel that arrives in blocks."""
    spans: list[Span] = []
    n_known = 0
    for block in np.split(speech, edges or []):
        n_known += len(block)
        needed_from = cutter.needed_from
        new = cutter.push(block)
        assert all(needed_from <= start for start, _ in new)
        spans += new
    needed_from = cutter.needed_from
    rest = cutter.flush()
    assert all(needed_from <= start and end <= len(speech) for start, end in rest)
    return spans + rest


def speech_of(*lengths: int) -> np.ndarray:
    """Silence and speech in turn, beginning with silence."""
    return np.concatenate([np.full(n, number % 2, np.uint8) for number, n in enumerate(lengths)])


stretches = st.lists(st.integers(2 * EDGE, 4 * N), min_size=1, max_size=8)
blocks = st.lists(st.integers(0, 20 * N), max_size=6).map(sorted)


@pytest.mark.parametrize(
    ("n", "hop", "expected"),
    [
        (10, 4, [(0, 4), (4, 8), (8, 10)]),
        (8, 4, [(0, 4), (4, 8)]),
        (3, 4, [(0, 3)]),
        (0, 4, []),
        (9, 2, [(0, 4), (2, 6), (4, 8), (6, 9)]),
        (8, 2, [(0, 4), (2, 6), (4, 8)]),
        (3, 2, [(0, 3)]),
    ],
)
def test_a_grid(n: int, hop: int, expected: list[Span]) -> None:
    assert spans_of(GridCutter(4, hop), np.ones(n, np.uint8)) == expected


@given(stretches, blocks)
def test_segments_at_pauses_contain_all_speech_once_and_do_not_depend_on_blocks(
    lengths: list[int], edges: list[int]
) -> None:
    speech = speech_of(*lengths)
    spans = spans_of(PauseCutter(N), speech)
    assert spans == spans_of(PauseCutter(N), speech, [min(edge, len(speech)) for edge in edges])
    covered = np.zeros(len(speech), int)
    for start, end in spans:
        assert 0 < end - start <= N
        covered[start:end] += 1
    assert covered.max(initial=0) <= 1
    assert (covered[speech == 1] == 1).all()


def test_stretches_with_a_short_pause_share_a_segment_and_long_ones_are_divided() -> None:
    second = 16_000
    joined = spans_of(PauseCutter(N), speech_of(second, second, PAUSE // 2, second, 3 * second))
    assert joined == [(second - EDGE, 3 * second + PAUSE // 2 + EDGE)]
    apart = spans_of(PauseCutter(N), speech_of(second, second, 2 * PAUSE, second, 3 * second))
    assert len(apart) == 2
    long = spans_of(PauseCutter(N), speech_of(second, 4 * second, second))
    assert [end - start for start, end in long] == [2 * second + EDGE] * 2


def test_speech_without_a_pause_is_cut_before_it_ends() -> None:
    cutter = PauseCutter(N)
    assert cutter.push(np.ones(3 * N, np.uint8)) == [(0, N), (N, 2 * N)]
    assert cutter.needed_from == 2 * N
    half = N // 2
    rest = cutter.push(np.ones(half, np.uint8)) + cutter.flush()
    assert rest == equal_parts(2 * N, 3 * N + half, N)


def test_given_turns_are_segments_whatever_they_contain() -> None:
    turns = [(10, 30), (25, 40), (100, 4 * N), (5 * N, 6 * N)]
    spans = spans_of(TurnCutter(N, turns), np.zeros(5 * N + 100, np.uint8))
    assert spans == [(10, 40), *equal_parts(100, 4 * N, N), (5 * N, 5 * N + 100)]


@pytest.mark.parametrize("make", [lambda: GridCutter(N, N), lambda: PauseCutter(N), lambda: TurnCutter(N, [])])
def test_a_channel_without_audio_has_no_segment(make: Callable[[], Cutter]) -> None:
    assert spans_of(make(), np.zeros(0, np.uint8)) == []
