from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec

import pytest

from benchmarks import baselines
from benchmarks.baselines import OPENSMILE, opensmile_systems, plain_predictor, plain_systems
from benchmarks.end_to_end import pcqtool_systems
from benchmarks.sample import Sample
from pcqtool.batch import prefetch
from pcqtool.labelling.settings import LabelSettings
from pcqtool.model.encoders.pretrained import PretrainedEncoder
from pcqtool.model.predictor import Predictor

STAND_IN = """
import os, time
from pathlib import Path

FOLDER = Path(__file__).parent / "called"

class FeatureSet:
    ComParE_2016 = "ComParE"

class FeatureLevel:
    Functionals = "functionals"

class Smile:
    def __init__(self, feature_set, feature_level):
        self.kind = f"{feature_set} {feature_level}"

    def process_files(self, files):
        # Ends only once as many processes as expected are in here, or after a while.
        (FOLDER / f"worker-{os.getpid()}").touch()
        until_s = time.monotonic() + 20.0
        while len(list(FOLDER.glob("worker-*"))) < WORKERS and time.monotonic() < until_s:
            time.sleep(0.01)
        return [(self.kind, file, os.getpid()) for file in files]
"""


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """A package named opensmile that waits until two processes work at the same time."""
    folder = tmp_path / "packages"
    (folder / "called").mkdir(parents=True)
    (folder / "opensmile.py").write_text(f"WORKERS = 2\n{STAND_IN}")
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setattr(baselines, "N_FILES", 1)


@pytest.mark.usefixtures("stand_in")
def test_opensmile_computes_every_file_once_in_as_many_processes_as_asked(sample):
    paths = [str(source.path) for source in sample.sources]
    with opensmile_systems(sample, 2) as systems:
        first, second = ([row for rows in systems[OPENSMILE].run() for row in rows] for _ in range(2))
    assert [row[:2] for row in first] == [("ComParE functionals", path) for path in paths]
    assert len({row[2] for row in first}) == systems[OPENSMILE].workers == 2
    assert {row[2] for row in second} <= {row[2] for row in first}, "processes are started once"


@pytest.mark.usefixtures("stand_in")
def test_every_system_has_the_same_workers_and_the_same_files(sample, tiny, tiny_model, monkeypatch):
    opened = []
    plain_of, plain_open = Sample.of, prefetch.open_source
    monkeypatch.setattr(Sample, "of", lambda sources: opened.extend(each.path for each in sources) or plain_of(sources))

    def noted_open(source, settings):
        opened.append(source.path)
        return plain_open(source, settings)

    monkeypatch.setattr(prefetch, "open_source", noted_open)
    settings = LabelSettings(batch_size=2, jobs=2)
    plain = plain_systems(sample, plain_predictor(tiny_model, "cpu"), 2, settings.n_jobs)
    with opensmile_systems(sample, settings.n_jobs) as opensmile:
        systems = pcqtool_systems(sample, tiny, settings) | plain | opensmile
        assert len(systems) == 5
        assert {system.workers for system in systems.values()} == {2}
        assert {system.audio_s for system in systems.values()} == {sample.audio_s}
        paths = {source.path for source in sample.sources}
        for name, system in systems.items():
            opened.clear()
            returned = system.run()
            files = {row[1] for rows in returned for row in rows} if name == OPENSMILE else set(map(str, opened))
            assert files == set(map(str, paths)), name


def test_without_opensmile_there_is_no_such_system(sample, monkeypatch):
    monkeypatch.setattr(baselines, "find_spec", lambda name: None)
    with opensmile_systems(sample, 2) as systems:
        assert systems == {}


@pytest.mark.skipif(find_spec("opensmile") is None, reason="openSMILE is not installed")
def test_functionals_of_opensmile_itself(sample):
    twice = replace(sample, sources=[*sample.sources, *sample.sources])
    with opensmile_systems(twice, 2) as systems:
        frames = systems[OPENSMILE].run()
    assert sum(len(frame) for frame in frames) == len(twice.sources)
    assert {frame.shape[1] for frame in frames} == {6373}


def test_a_plain_predictor_has_no_optimisations(small_wavlm):
    prepare = PretrainedEncoder.optimise_for_inference
    assert plain_predictor(small_wavlm, "cpu").model.encoder.compiled is None
    assert PretrainedEncoder.optimise_for_inference is prepare
    assert Predictor(small_wavlm, "cpu").model.encoder.compiled is not None
