from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from pcqtool.audio.file_states import N_TRIED, SLOW_S, FileState, state_of_path, states_of


def test_a_slow_file_system_is_asked_by_several_threads_and_order_is_kept() -> None:
    asked_by: dict[int, int] = {}

    def ask(number: int) -> int:
        time.sleep(10 * SLOW_S)
        asked_by[number] = threading.get_ident()
        return -number

    assert states_of(ask, range(500)) == [-number for number in range(500)]
    own = threading.get_ident()
    assert all(asked_by[number] == own for number in range(N_TRIED))
    assert len({asked_by[number] for number in range(N_TRIED, 500)} - {own}) > 1


def test_few_files_are_asked_for_in_turn() -> None:
    found = states_of(lambda number: (time.sleep(10 * SLOW_S), threading.get_ident())[1], range(N_TRIED))
    assert set(found) == {threading.get_ident()}
    assert states_of(str, []) == []


def test_a_fault_in_a_thread_is_raised() -> None:
    def ask(number: int) -> int:
        time.sleep(10 * SLOW_S)
        return 1 // (200 - number)

    with pytest.raises(ZeroDivisionError):
        states_of(ask, range(300))


def test_states(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, target in (("link", "call"), ("gone", "nothing"), ("loop", "loop"), ("folder", ".")):
        (tmp_path / name).symlink_to(target)
    (tmp_path / "call").write_bytes(b"12345")
    mtime = (tmp_path / "call").stat().st_mtime
    expected = {
        "call": FileState(5, mtime),
        "link": FileState(5, mtime, is_link=True),
        "gone": FileState(None, None, is_link=True),
        "loop": FileState(None, None, is_link=True),
        "folder": FileState(None, None, is_link=True),
        "none": FileState(None, None),
    }
    assert {name: state_of_path(str(tmp_path / name)) for name in expected} == expected
    monkeypatch.setattr(os, "stat", None)
    assert state_of_path(str(tmp_path / "call")).size_bytes == 5, "one call is enough for a file"
