"""No memory, and what the system refuses, in words that do not mislead."""

from __future__ import annotations

import errno
import os
import subprocess
import sys

import pytest

from pcqtool.cli.common import failures


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)),
        ImportError("libtorch_cpu.so: failed to map segment from shared object"),
        ImportError("libgomp.so.1: cannot allocate memory in static TLS block"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory: you tried to"),
        RuntimeError("can't start new thread"),
        RuntimeError("std::bad_alloc"),
        RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    ],
)
def test_no_memory_is_said_to_be_so(error):
    what, hint = failures.explain_machine_failure(error)
    assert what.startswith("not enough memory")
    assert hint
    wrapped = ValueError("a library's own words")
    wrapped.__cause__ = error
    assert failures.explain_machine_failure(wrapped) == (what, hint)


def test_what_the_system_refuses_is_named_with_its_file():
    what, hint = failures.explain_machine_failure(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "a.bin"))
    assert (what, hint) == ("a.bin: No space left on device", "Free some space, or choose another place with --out.")
    assert (
        failures.explain_machine_failure(PermissionError(errno.EACCES, "Permission denied", b"\xff"))[0]
        == "\udcff: Permission denied"
    )


@pytest.mark.parametrize("error", [ValueError("x"), ZeroDivisionError(), OSError("no number"), KeyError("memory")])
def test_anything_else_is_a_fault_of_the_program(error):
    assert failures.explain_machine_failure(error) is None


TOO_LITTLE = 400  # megabytes, for torch
SCRIPT = """
import resource, sys
limit = int(sys.argv.pop(1)) * 2**20
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
from pcqtool.cli.app import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit of the address space that holds")
@pytest.mark.parametrize("threads", [1, 64])
def test_a_limit_of_memory_is_named(tmp_path, write_wave, environment, threads):
    write_wave("in/a.wav")
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(TOO_LITTLE), "label", "in"],
        cwd=tmp_path,
        env=environment(OPENBLAS_NUM_THREADS=str(threads), OMP_NUM_THREADS="1"),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 1, done.stderr
    assert "unexpected" not in done.stderr
    if "OpenBLAS error: Memory allocation still failed" not in done.stderr:  # it ends the process itself
        assert "error: not enough memory" in done.stderr
        assert "Traceback" not in done.stderr
        hint = f"This process may use {TOO_LITTLE * 2**20 / 1e9:.1f} GB of address space (ulimit -v): allow more."
        assert done.stderr.splitlines()[-1] in (hint, "error: not enough memory")  # not even for the hint
