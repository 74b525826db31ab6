from __future__ import annotations

import sys

import pytest

from benchmarks.processes import peak_mb, run
from pcqtool.errors import PcqtoolError


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_memory_is_that_of_all_processes() -> None:
    child = "import time; block = b'x' * 60_000_000; time.sleep(1)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    alone = peak_mb([sys.executable, "-c", "import time; time.sleep(0.3)"])
    assert 55 < peak_mb([sys.executable, "-c", parent]) - alone < 90


def test_a_program_that_fails_ends_the_benchmark() -> None:
    with pytest.raises(PcqtoolError, match="no such thing"):
        run([sys.executable, "-c", "import sys; sys.exit('no such thing')"])


def test_programs_find_the_benchmarks_and_what_the_user_s_path_has(tmp_path, monkeypatch) -> None:
    (tmp_path / "of_the_user.py").touch()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert run([sys.executable, "-c", "import benchmarks, of_the_user"]) > 0.0
