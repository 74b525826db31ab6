from __future__ import annotations

import json
from importlib.util import find_spec

import pytest

from benchmarks.peers import __main__ as command
from benchmarks.peers.measure import Conditions, Measured, measure_in_turn
from benchmarks.peers.page import HEADING, write_section
from benchmarks.peers.peer import PEERS, Peer
from benchmarks.peers.worker import main as worker
from pcqtool.errors import PcqtoolError

FAKE = """
import json, os, time
from pathlib import Path
from benchmarks.peers.programs import Loaded

LOG = Path(__file__).parent / "calls.jsonl"

def note(*what):
    with LOG.open("a") as file:
        print(json.dumps([os.getpid(), *what]), file=file)

def make(kind, folder):
    folder.mkdir()
    (folder / "weights").write_text(kind)
    note("make", kind)

def load(kind, folder, n_cores):
    if kind == "broken":
        raise ValueError("damaged weights")
    weights = (folder / "weights").read_text() if kind == "random" else None
    note("load", kind, weights, n_cores, os.environ["OMP_NUM_THREADS"])
    return Loaded(lambda paths: note("run", kind, [Path(path).name for path in paths]), ("pytest",), 1500000)
"""
AWAY = "import a_package_that_is_not_here\n"


def peer(name, module, **facts):
    return Peer(name, module, name, "call(file)", "MIT", **facts)


@pytest.fixture
def conditions(tmp_path, write_wave, monkeypatch):
    modules = tmp_path / "modules"
    modules.mkdir()
    (modules / "fake_peer.py").write_text(FAKE)
    (modules / "away_peer.py").write_text(AWAY)
    monkeypatch.setenv("PYTHONPATH", str(modules))
    files = [write_wave(f"calls/{name}.wav", seconds=1.0) for name in "abc"]
    return Conditions(files, 2, tmp_path / "peers")


@pytest.fixture
def calls(tmp_path):
    log = tmp_path / "modules" / "calls.jsonl"
    return lambda: [json.loads(line) for line in log.read_text().splitlines()]


def test_programs_run_in_turn_each_in_a_new_process_after_their_first_recordings(conditions, calls):
    plain, random = measure_in_turn(
        [peer("plain", "fake_peer"), peer("random", "fake_peer", random_weights=True)], conditions, repetitions=2
    )
    assert [call[2] for call in calls() if call[1] == "load"] == ["plain", "random"] * 3
    assert [call[3:] for call in calls() if call[1:3] == ["load", "plain"]] == [[None, 2, "2"]] * 3
    assert [call[3] for call in calls() if call[1:3] == ["load", "random"]] == ["random"] * 3, "made once, and read"
    runs = [call[3] for call in calls() if call[1:3] == ["run", "plain"]]
    assert runs == [["a.wav", "b.wav"], ["a.wav", "b.wav", "c.wav"]] * 3
    assert len({call[0] for call in calls()}) == 7, "six runs, and one that makes weights"
    for measured in (plain, random):
        assert len(measured.runs_s) == len(measured.start_ups_s) == 2
        assert all(0.0 < start_up_s < 60.0 for start_up_s in measured.start_ups_s)
        assert (measured.n_parameters, measured.versions) == (1500000, {"pytest": pytest.__version__})


def test_a_program_that_is_not_installed_is_noted_and_the_others_run(conditions):
    away, made_away, here = measure_in_turn(
        [peer("a", "away_peer"), peer("b", "away_peer", random_weights=True), peer("c", "fake_peer")], conditions, 1
    )
    assert away.missing == made_away.missing == "a_package_that_is_not_here"
    assert not list((conditions.folder / "weights").iterdir())
    assert len(here.runs_s) == 1


def test_a_program_that_fails_ends_the_benchmark_with_its_message(conditions):
    with pytest.raises(PcqtoolError, match="damaged weights"):
        measure_in_turn([peer("broken", "fake_peer")], conditions, 1)


def test_the_page_has_speed_cost_and_how_to_install_what_is_missing(conditions):
    fast = Measured(peer("fast", "m"), [1.0, 3.0, 2.0], [2.0, 1.0, 4.0], 300.4, 93_178_133, {"torch": "2.0"})
    absent = Measured(
        peer("absent", "m", requirements=("absent", "torch"), environment="absent"), missing="absent.core"
    )
    section = write_section([fast, absent], conditions, 200.0, "Vector units AVX2", price_usd=0.05)
    assert section.startswith(f"{HEADING}\n")
    assert "3 times, on the same 3 recordings (3.3 min) and 2 cores" in section
    assert "at 0.05 USD a core-hour" in section
    assert "| fast | 100.0 (50.0 to 200.0) | 36.0 | 2.0 (1.0 to 3.0) | 300 | 20.0 | 1.00 |" in section
    assert "| fast | `call(file)` | 93.2 M | torch 2.0 | MIT |" in section
    assert "| absent | not installed | – | – | – | – | – |" in section
    environment = conditions.folder / "absent"
    assert f"`python -m venv {environment} && {environment}/bin/pip install absent torch`" in section


def test_a_program_runs_in_the_environment_of_its_name_where_there_is_one(tmp_path):
    fake = peer("a", "m", environment="own")
    assert fake.python(tmp_path) != str(tmp_path / "own/bin/python")
    (tmp_path / "own/bin").mkdir(parents=True)
    (tmp_path / "own/bin/python").touch()
    assert fake.python(tmp_path) == str(tmp_path / "own/bin/python")


@pytest.mark.parametrize("each", PEERS, ids=lambda each: each.name)
def test_every_program_that_is_named_has_a_module(each):
    assert find_spec(each.module) is not None


def test_pcqtool_itself_labels_in_a_worker(conditions, tmp_path):
    result = tmp_path / "result.json"
    module = "benchmarks.peers.programs.pcqtool_labelling"
    worker([module, "off", *map(str, conditions.files), "--folder", str(tmp_path), "--result", str(result)])
    measured = json.loads(result.read_text())
    assert measured["run_s"] > 0.0
    assert set(measured["versions"]) == {"pcqtool", "openvino"}


def test_the_command_writes_its_section_and_runs_only_what_is_asked_for(conditions, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(command, "PEERS", (peer("one", "fake_peer"), peer("two", "fake_peer")))
    page = tmp_path / "page.md"
    options = ["--files", "2", "--repetitions", "1", "--only", "TW", "--jobs", "1", "--folder", str(conditions.folder)]
    assert command.main([str(conditions.files[0].parent), *options, "--page", str(page)]) == 0
    section = capsys.readouterr().out
    assert "| two |" in section
    assert "| one |" not in section
    assert "on the same 2 recordings" in section
    assert section.strip() in page.read_text("utf-8")


def test_a_folder_without_recordings_is_an_error(tmp_path, capsys):
    assert command.main([str(tmp_path)]) == 2
    assert "there are no recordings" in capsys.readouterr().err
