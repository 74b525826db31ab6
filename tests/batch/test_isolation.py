"""What a decoder does to its process is brought about by what the limits, which it asks, do when they are asked."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from pcqtool.audio.limits import Limits
from pcqtool.audio.reader import ReaderOptions
from pcqtool.batch import isolation
from pcqtool.batch.isolation import SubprocessReader
from pcqtool.batch.names import find_sources
from pcqtool.batch.prefetch import prefetch, start_decoders
from pcqtool.batch.settings import BatchSettings
from pcqtool.errors import AccessError, AudioError

NO_VAD = ReaderOptions(vad=False)


def seconds_of(path, limits=None, timeout_s=300.0):
    tracks = SubprocessReader(path, NO_VAD, limits or Limits(), timeout_s)
    list(tracks)
    return tracks.info.duration_s


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT])
def test_a_crash_is_its_recordings(write_wave, number):
    bad, good = write_wave("bad.wav", channels=int(number)), write_wave("good.wav", seconds=2.0)
    with pytest.raises(AudioError, match=f"crashed .{number.name}") as caught:
        seconds_of(bad, SimpleNamespace(check_channels=signal.raise_signal))
    assert not isinstance(caught.value, AccessError), "the recording's own fault"
    assert seconds_of(good) == 2.0


def test_a_decoder_that_the_system_kills_is_no_fault_of_its_recording(write_wave):
    path = write_wave("long.wav", channels=int(signal.SIGKILL))
    with pytest.raises(AccessError, match="was killed"):
        seconds_of(path, SimpleNamespace(check_channels=signal.raise_signal))
    assert seconds_of(write_wave("good.wav", seconds=2.0)) == 2.0


def test_a_process_that_was_killed_while_it_waited_is_replaced(write_wave):
    good = write_wave("good.wav", seconds=2.0)
    assert seconds_of(good) == 2.0
    for worker in isolation._idle:
        os.kill(worker._process.pid, signal.SIGKILL)
        worker._process.join()
    assert seconds_of(good) == 2.0


def test_a_lack_of_memory_is_the_recordings_fault_where_nothing_else_limits_it(monkeypatch):
    import resource

    limits = {resource.RLIMIT_AS: resource.RLIM_INFINITY, resource.RLIMIT_DATA: isolation.MAX_BYTES}
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (limits[kind], resource.RLIM_INFINITY))
    assert isolation._memory_error() is AudioError
    limits[resource.RLIMIT_AS] = 1 << 30
    assert isolation._memory_error() is AccessError


def test_a_hang_is_its_recordings(write_wave):
    bad, good = write_wave("bad.wav", channels=30), write_wave("good.wav", seconds=2.0)
    started_s = time.monotonic()
    with pytest.raises(AccessError, match=r"no output for 0\.5 s"):
        seconds_of(bad, SimpleNamespace(check_channels=time.sleep), timeout_s=0.5)
    assert time.monotonic() - started_s < 20
    assert seconds_of(good) == 2.0


def test_a_process_that_no_signal_reaches_is_given_up(write_wave, monkeypatch):
    monkeypatch.setattr(isolation, "GRACE_S", 0.2)
    good = write_wave("good.wav", seconds=2.0)
    assert seconds_of(good) == 2.0
    worker = isolation._idle[-1]
    os.kill(worker._process.pid, signal.SIGSTOP)
    with pytest.raises(AudioError, match="no output for"):
        seconds_of(good, timeout_s=0.2)
    assert not worker.is_usable
    assert seconds_of(good) == 2.0


def test_limits_are_kept(write_wave):
    path = write_wave("a.wav", seconds=40.0, channels=3)
    with pytest.raises(AudioError, match="3 channels"):
        seconds_of(path, Limits(max_channels=2))
    with pytest.raises(AudioError, match="longer than the limit"):
        seconds_of(path, Limits(max_duration_s=20.0))


def test_processes_are_used_again(write_wave):
    sources = find_sources([write_wave(f"calls/{n}.wav", seed=n).parent for n in range(1)]) * 30
    list(prefetch(sources, BatchSettings(NO_VAD, jobs=2)))
    before = {worker._process.pid for worker in isolation._idle}
    list(prefetch(sources, BatchSettings(NO_VAD, jobs=2)))
    assert {worker._process.pid for worker in isolation._idle} == before


@pytest.mark.parametrize(("timeout_s", "n"), [(300.0, 1), (0.0, 0)])
def test_a_process_is_started_before_it_is_needed(monkeypatch, timeout_s, n):
    monkeypatch.setattr(isolation, "_idle", [])
    start_decoders(BatchSettings(NO_VAD, timeout_s=timeout_s))
    assert len(isolation._idle) == n
    isolation._close_all()


def test_a_script_without_a_guard_may_start_decoders(write_wave, tmp_path):
    """Workers must not import the script: it would begin the same run again, without end."""
    write_wave("calls/a.wav", seconds=2.0)
    script = tmp_path / "script.py"
    script.write_text(
        "from pcqtool.batch.names import find_sources\n"
        "from pcqtool.batch.prefetch import prefetch\n"
        "from pcqtool.batch.settings import BatchSettings\n"
        "for piece in prefetch(find_sources(['calls']), BatchSettings(jobs=1)):\n"
        "    print(piece.source.file, piece.info.duration_s, piece.failure)\n"
    )
    done = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("a.wav 2.0 None\n", "")
