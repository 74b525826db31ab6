from __future__ import annotations

import os
import signal
import threading
import time

import pytest

ray = pytest.importorskip("ray")

from pcqtool.batch import plan  # noqa: E402
from pcqtool.batch.ray_engine import run_on_ray  # noqa: E402
from pcqtool.batch.run import run  # noqa: E402
from pcqtool.tables.edit import read_columns  # noqa: E402
from pcqtool.tables.paths import list_parts  # noqa: E402


@pytest.fixture(scope="module")
def cluster():
    ray.init(num_cpus=4, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


@pytest.fixture
def setting(tmp_path, write_wave, tiny_model, monkeypatch):
    """A plan of several parts, what loads the work, and what opens an output."""
    from pcqtool.audio.discover import discover
    from pcqtool.audio.tracks import Reading
    from pcqtool.batch.store import Store
    from pcqtool.labelling.settings import LabelSettings
    from pcqtool.labelling.work import SCHEMAS, Labelling
    from pcqtool.model.directory import read_config, sha256

    monkeypatch.setattr(plan, "PART_FILES", 2)
    for number in range(12):
        write_wave(f"calls/{number:02d}.wav", seconds=2.0, seed=number)
    settings = LabelSettings(Reading(vad=False), jobs=1)
    config = read_config(tiny_model)
    provenance = settings.provenance(config, sha256(tiny_model))
    pids = tmp_path / "pids"
    pids.mkdir()

    def load():
        from pcqtool.model.predictor import Predictor

        (pids / str(os.getpid())).touch()
        return Labelling(Predictor(tiny_model, "cpu"), settings, provenance)

    def opened(name):
        columns = {kind: schema(config.labels).names for kind, schema in SCHEMAS.items()}
        return Store(tmp_path / name, provenance, columns)

    return plan.make_plan(discover([tmp_path / "calls"]), {}), load, opened, pids


def rows(out, kind):
    return [row for part in list_parts(out, kind) for row in read_columns(part).to_pylist()]


def test_the_same_rows_as_on_one_machine_though_an_actor_is_killed(cluster, setting):
    todo, load, opened, pids = setting
    run(todo, opened("local"), load())
    before = {path.name for path in pids.iterdir()}

    def kill():
        while not (born := {path.name for path in pids.iterdir()} - before):
            time.sleep(0.01)
        os.kill(int(born.pop()), signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    summary = run_on_ray(todo, opened("ray"), load, workers=2)
    killer.join()
    assert summary.n_files == 12
    assert summary.statuses == {"ok": 12}
    assert len({path.name for path in pids.iterdir()} - before) >= 3  # two actors, and one in the dead one's place
    for kind in ("files", "segments"):
        local, remote = (rows(opened(name).out, kind) for name in ("local", "ray"))
        assert [row["file"] for row in local] == [row["file"] for row in remote]
        for one, other in zip(local, remote, strict=True):
            assert one["label"] == other["label"]
            assert one["confidence"] == pytest.approx(other["confidence"], abs=1e-5)
    assert opened("ray").done() == opened("local").done()
