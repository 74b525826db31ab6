from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from pcqtool.batch import plan
from pcqtool.batch.ray_engine import _resources, run_on_ray
from pcqtool.batch.run import run
from pcqtool.errors import ModelError
from pcqtool.tables.paths import list_parts
from pcqtool.tables.rewrite import read_columns


def nodes(*resources, alive=True):
    return [{"Resources": dict(zip(("CPU", "GPU"), each, strict=False)), "Alive": alive} for each in resources]


@pytest.mark.parametrize(
    ("have", "workers", "each", "count"),
    [
        ([(8,)], 0, (2.0, 0.0), 4),
        ([(5,)], 0, (2.0, 0.0), 2),
        ([(1,)], 0, (1.0, 0.0), 1),
        ([(2,)], 4, (0.5, 0.0), 4),
        ([(2,)], 3, (0.5, 0.0), 3),
        ([(1,)], 6, (0.1666, 0.0), 6),
        ([(3,), (3,)], 3, (1.0, 0.0), 3),
        ([(16, 2)], 0, (8.0, 1.0), 2),
        ([(16, 2)], 1, (16.0, 1.0), 1),
        ([(16, 2)], 3, (5.0, 0.5), 3),
        ([(16, 2), (64,)], 0, (8.0, 1.0), 2),
    ],
)
def test_all_actors_find_a_place(have, workers, each, count):
    """No actor is on two nodes, and Ray rounds fractions to four digits."""
    shares, n = _resources([*nodes(*have), *nodes((99, 99), alive=False)], workers)
    assert ((shares["num_cpus"], shares["num_gpus"]), n) == (each, count)
    assert sum(node[0] // round(shares["num_cpus"], 4) for node in have) >= n


@pytest.fixture(scope="module")
def cluster():
    ray = pytest.importorskip("ray")
    ray.init(num_cpus=4, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


@pytest.fixture
def setting(tmp_path, write_wave, tiny_model, monkeypatch):
    """A plan of several parts, what loads the work, and what opens an output."""
    from pcqtool.audio.reader import ReaderOptions
    from pcqtool.batch.names import find_sources
    from pcqtool.batch.output import RunOutput
    from pcqtool.labelling.settings import LabelSettings
    from pcqtool.labelling.task import SCHEMAS, Labelling
    from pcqtool.model.directory import model_sha256, read_config

    monkeypatch.setattr(plan, "PART_FILES", 2)
    for number in range(12):
        write_wave(f"calls/{number:02d}.wav", seconds=2.0, seed=number)
    settings = LabelSettings(ReaderOptions(vad=False))
    config = read_config(tiny_model)
    provenance = settings.provenance(config, model_sha256(tiny_model))
    pids = tmp_path / "pids"
    pids.mkdir()

    def load():
        import torch

        from pcqtool.model.predictor import Predictor

        (pids / str(os.getpid())).write_text(f"{torch.get_num_threads()} {settings.n_jobs}")
        predictor = Predictor(tiny_model, "cpu")
        log_probs = predictor.log_probs
        predictor.log_probs = lambda *given: time.sleep(0.1) or log_probs(*given)
        return Labelling(predictor, settings, provenance)

    def opened(name):
        columns = {kind: schema(config.labels).names for kind, schema in SCHEMAS.items()}
        return RunOutput(tmp_path / name, provenance, columns)

    return plan.make_plan(find_sources([tmp_path / "calls"]), {}), load, opened, pids


def rows(out, kind):
    return [row for part in list_parts(out, kind) for row in read_columns(part).to_pylist()]


def test_the_same_rows_as_on_one_machine_though_an_actor_is_killed(cluster, setting):
    todo, load, opened, pids = setting
    run(todo, opened("local"), load())
    before = {path.name for path in pids.iterdir()}

    def kill():
        while not list_parts(opened("ray").out, "files"):
            time.sleep(0.01)
        os.kill(min(int(path.name) for path in pids.iterdir() if path.name not in before), signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    summary = run_on_ray(todo, opened("ray"), load, workers=2)
    killer.join()
    assert summary.n_files == 12
    assert summary.statuses == {"ok": 12}
    assert len({path.name for path in pids.iterdir()} - before) >= 3  # two actors, and one in the dead one's place
    for kind in ("files", "segments", "events"):
        local, remote = (rows(opened(name).out, kind) for name in ("local", "ray"))
        assert [row["file"] for row in local] == [row["file"] for row in remote]
        for one, other in zip(local, remote, strict=True):
            assert one["label"] == other["label"]
            assert one["confidence"] == pytest.approx(other["confidence"], abs=1e-5)
    assert opened("ray").done() == opened("local").done()


def test_all_actors_have_loaded_before_the_first_part_and_keep_to_their_cores(cluster, setting):
    todo, load, opened, pids = setting
    ready = []
    summary = run_on_ray(
        todo,
        opened("ray"),
        load,
        workers=4,
        on_file=lambda source: ready.append("file"),
        on_ready=lambda: ready.append(len(list(pids.iterdir()))),
    )
    assert ready == [4] + ["file"] * 12
    assert {path.read_text() for path in pids.iterdir()} == {"1 1"}
    assert summary.load_s > 0
    assert len(list_parts(opened("ray").out, "files")) > 4


def test_a_model_that_cannot_be_loaded_ends_the_run_and_leaves_the_output_alone(cluster, setting):
    todo, _, opened, _ = setting

    def load():
        raise ModelError("damaged", "Mend it.")

    with pytest.raises(ModelError, match="damaged"):
        run_on_ray(todo, opened("ray"), load, workers=2, on_ready=lambda: pytest.fail("it is not ready"))
    assert not opened("ray").out.exists()


def test_actors_standardise_by_the_profile_that_was_measured_before_them(
    cluster, tmp_path, write_wave, profiled_model, monkeypatch
):
    import pcqtool
    from pcqtool.batch.output import RunOutput
    from pcqtool.model.profile_file import read_profile

    monkeypatch.setattr(plan, "PART_FILES", 2)
    for number in range(8):
        write_wave(f"calls/{number}.wav", seconds=2.0, seed=number)

    def label(out, **options):
        options = {"model": profiled_model, "vad": False, "device": "cpu"} | options
        return pcqtool.label(tmp_path / "calls", tmp_path / out, **options)

    local = label("local.parquet")
    kept = RunOutput.standardise_by
    settled = []
    monkeypatch.setattr(RunOutput, "standardise_by", lambda self, one: settled.append(one) or kept(self, one))
    remote = label("ray.parquet", engine="ray", workers=2)
    assert settled[0] == "auto"
    assert remote.provenance.settings["profile"] == settled[1].digest
    assert settled[1].whole.mean == pytest.approx(read_profile(tmp_path / "local.parquet.profile").whole.mean, abs=1e-4)
    for name in ("prob_anger", "prob_neutral"):
        for one, other in zip(local.files[name], remote.files[name], strict=True):
            assert one == pytest.approx(other, abs=1e-5)
    write_wave("calls/later.wav", seconds=2.0, seed=99)
    label("ray.parquet")  # the profile is kept, whatever the engine
    assert pcqtool.read_results(tmp_path / "ray.parquet").provenance.settings["profile"] == settled[1].digest
    off = label("off.parquet", profile="off")
    assert abs(off.files["prob_anger"][0] - remote.files["prob_anger"][0]) > 1e-4
