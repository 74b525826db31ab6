"""Locks between processes, and that nothing is left of them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pcqtool.errors import FileError, LockedError
from pcqtool.files.lock import claim_folder, lock_folder, locked

COUNT = """
import sys, time
from pathlib import Path
from pcqtool.errors import LockedError
from pcqtool.files.lock import locked
number = Path(sys.argv[1], "number")
done = 0
while done < 40:
    try:
        with locked(Path(sys.argv[1], ".lock"), "", ""):
            count = int(number.read_text())
            number.write_text(str(count + 1))
            done += 1
    except LockedError:
        time.sleep(0.0005)
"""


def test_a_second_one_is_told_and_nothing_stays(tmp_path):
    path = tmp_path / "new" / ".lock"
    with locked(path, "it is taken", "Wait."):
        with pytest.raises(LockedError) as caught, locked(path, "it is taken", "Wait."):
            raise AssertionError("two at once")
        assert (caught.value.what, caught.value.hint) == ("it is taken", "Wait.")
        assert path.exists()
    assert list(path.parent.iterdir()) == []
    with pytest.raises(ZeroDivisionError), locked(path, "", ""):
        1 / 0  # noqa: B018
    assert list(path.parent.iterdir()) == []


def test_what_a_killed_process_left_does_not_hold(tmp_path):
    (tmp_path / ".lock").touch()
    with locked(tmp_path / ".lock", "", ""):
        assert (tmp_path / ".lock").exists()
    assert list(tmp_path.iterdir()) == []


def test_many_processes_take_turns(tmp_path):
    """A file that is removed at each end must never let two of them in."""
    (tmp_path / "number").write_text("0")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    started = [subprocess.Popen([sys.executable, "-c", COUNT, str(tmp_path)], env=environment) for _ in range(4)]
    assert [each.wait(60) for each in started] == [0] * 4
    assert (tmp_path / "number").read_text() == "160"
    assert [path.name for path in tmp_path.iterdir()] == ["number"]


def test_a_folder_that_cannot_be_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(FileError, match="cannot be written"), locked(Path(tmp_path, "file", ".lock"), "", ""):
        raise AssertionError


def test_a_claim_makes_no_folder_before_it_is_needed(tmp_path):
    folder = tmp_path / "out"
    with claim_folder(folder):
        assert not folder.exists()
    with claim_folder(folder) as claim:
        claim()
        claim()
        with pytest.raises(LockedError, match="another run is writing"), claim_folder(folder):
            raise AssertionError
        (folder / "model").touch()
    assert [path.name for path in folder.iterdir()] == ["model"]
    with claim_folder(folder), pytest.raises(LockedError), lock_folder(folder):
        raise AssertionError
    assert [path.name for path in folder.iterdir()] == ["model"]
