"""A disk that refuses at a write: the run ends with what the system says, and the next completes it.

PCQTOOL_TEST_WRITES=all pytest tests/batch/test_full.py -s     at each single write, instead of at some
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from polars.testing import assert_frame_equal

from pcqtool.audio.reader import ReaderOptions
from pcqtool.batch import plan as plan_module
from pcqtool.batch.names import find_sources
from pcqtool.batch.output import RunOutput
from pcqtool.batch.plan import make_plan
from pcqtool.batch.run import run
from pcqtool.errors import FileError
from pcqtool.files import atomic
from pcqtool.labelling.settings import LabelSettings
from pcqtool.labelling.task import Labelling
from pcqtool.tables.paths import KINDS
from pcqtool.tables.reader import read_events, read_files, read_segments

SETTINGS = LabelSettings(ReaderOptions(vad=False), jobs=1, timeout_s=0)


class Disk:
    """Refuses one write, or one sync, and all that come after it."""

    def __init__(self, n_left, fault):
        self.n_left = n_left
        self.fault = fault

    def step(self):
        if self.n_left == 0:
            raise OSError(self.fault, os.strerror(self.fault))
        self.n_left -= 1

    def install(self, patch):
        disk, opened, sync = self, Path.open, os.fsync

        class File:
            def __init__(self, file):
                self._file = file

            def __getattr__(self, name):
                return getattr(self._file, name)

            def write(self, data):
                disk.step()
                return self._file.write(data)

        def synced(descriptor):
            disk.step()
            sync(descriptor)

        patch.setattr(Path, "open", lambda path, mode="r", **more: _wrap(opened(path, mode, **more), mode, File))
        patch.setattr(atomic.os, "fsync", synced)


def _wrap(file, mode, kind):
    return kind(file) if mode == "xb" else file


def label(out, sources, predictor, config):
    provenance = SETTINGS.provenance(config, "ab" * 32)
    work = Labelling(predictor, SETTINGS, provenance)
    store = RunOutput(out, provenance, {kind: work.schema(kind).names for kind in KINDS})
    with store.locked():
        return run(make_plan(sources, store.done()), store, work)


@pytest.mark.parametrize("fault", [errno.ENOSPC, errno.EIO, errno.EROFS])
@pytest.mark.parametrize("name", ["r.parquet", "parts"])
def test_whichever_write_is_refused_nothing_is_lost(tmp_path, call_folder, predictor, config, monkeypatch, name, fault):
    monkeypatch.setattr(plan_module, "PART_FILES", 3)
    sources = find_sources([call_folder])
    label(tmp_path / "whole" / name, sources, predictor, config)
    with pytest.MonkeyPatch.context() as patch:
        disk = Disk(10**6, fault)
        disk.install(patch)
        label(tmp_path / "counted" / name, sources, predictor, config)
    n_writes, n_done = 10**6 - disk.n_left, set()
    step = 1 if os.environ.get("PCQTOOL_TEST_WRITES") == "all" else n_writes // 9
    for number in range(0, n_writes, step):
        out = tmp_path / str(number) / name
        with pytest.MonkeyPatch.context() as patch:
            Disk(number, fault).install(patch)
            with pytest.raises(FileError) as refused:
                label(out, sources, predictor, config)
        assert os.strerror(fault) in refused.value.what
        assert not list(out.parent.rglob("*.tmp"))
        n_done.add(label(out, sources, predictor, config).n_done_before)
        for read in (read_files, read_segments, read_events):
            assert_frame_equal(read(out), read(tmp_path / "whole" / name), check_exact=True)
    assert n_done >= {0, 3, 6}
    print(f"{name}: {os.strerror(fault)} at {len(range(0, n_writes, step))} of {n_writes} writes and syncs")
