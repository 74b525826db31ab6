"""What a fault of the cache may do to a training: nothing but take time."""

from __future__ import annotations

import logging
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from pcqtool.errors import CacheError
from pcqtool.training import disk_cache
from pcqtool.training.disk_cache import cache_folder, cache_writer, is_intact, read_intact
from pcqtool.training.experiment import Experiment
from pcqtool.training.recipe import Distillation, FeatureDistillation

CPU = torch.device("cpu")
KINDS = ("distilled", "features", "segments")
ENCODER = {
    "kind": "mini",
    "architecture": {"dim": 16, "n_blocks": 1, "expansion": 2, "n_mels": 16},
    "layers": [1],
    "frozen": True,
}


def flip(content: bytes, place: int, bits: int = 1) -> bytes:
    return content[:place] + bytes([content[place] ^ bits]) + content[place + 1 :]


DAMAGES = {
    "empty": lambda content, dice: b"",
    "short": lambda content, dice: content[: dice.randrange(len(content))],
    "without its last byte": lambda content, dice: content[:-1],
    "longer": lambda content, dice: content + b"\0",
    "zeros": lambda content, dice: bytes(len(content)),
    "zeros from the middle on": lambda content, dice: content[: len(content) // 2] + bytes(-(-len(content) // 2)),
    "a bit of the header": lambda content, dice: flip(content, dice.randrange(100), 1 << dice.randrange(8)),
    "a bit": lambda content, dice: flip(content, dice.randrange(len(content)), 1 << dice.randrange(8)),
    "a bit of the end": lambda content, dice: flip(content, len(content) - 1 - dice.randrange(12)),
    "a page": lambda content, dice: content[:512] + bytes(512) + content[1024:],
}


@pytest.fixture
def run(utterances, toy_recipe, fold, tiny_whisper, monkeypatch, tmp_path):
    """Train with augmentation, a teacher's states and feature distillation, all from the cache; return the weights."""
    monkeypatch.setenv("PCQTOOL_CACHE", str(tmp_path / "cache"))
    recipe = toy_recipe(
        ENCODER,
        epochs=2,
        feature_distillation=FeatureDistillation(layers=(0, 1), epochs=1, batch_size=4),
        distillation=Distillation(layers=(2,)),
    )

    def run() -> dict[str, torch.Tensor]:
        trained = Experiment(utterances, recipe, CPU, teacher=str(tiny_whisper)).prepare().train(fold, 1)
        return trained.model.state_dict()

    return run


def same(one, other) -> bool:
    return one.keys() == other.keys() and all(torch.equal(value, other[name]) for name, value in one.items())


def kept(kind: str) -> Path:
    (path,) = (cache_folder() / kind).iterdir()
    return path


def test_whatever_is_damaged_the_model_is_the_same(run, caplog):
    wanted = run()
    assert sorted(folder.name for folder in cache_folder().iterdir()) == list(KINDS)
    dice = random.Random(0)
    for number, (what, damage) in enumerate(DAMAGES.items()):
        kind = KINDS[number % len(KINDS)]
        whole = kept(kind).read_bytes()
        kept(kind).write_bytes(damage(whole, dice))
        caplog.clear()
        assert same(run(), wanted), (kind, what)
        assert kept(kind).read_bytes() == whole, (kind, what)
        said = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
        assert len(said) == 1, (kind, what)
        assert str(kept(kind)) in said[0]
        assert "computed again" in said[0]
    caplog.clear()
    assert same(run(), wanted)
    assert not caplog.records


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("what", DAMAGES)
def test_every_damage_of_every_kind_is_seen(run, monkeypatch, what, kind):
    content = random.Random(1).randbytes(3_000_000)
    path = cache_folder() / kind / "name.npy"
    with cache_writer(path, len(content)) as file:
        file.write(content[:1000])
        file.write(content[1000:])
    assert is_intact(path)
    assert read_intact(path) == content
    whole, dice = path.read_bytes(), random.Random(what)
    for _ in range(5):
        path.write_bytes(DAMAGES[what](whole, dice))
        assert not is_intact(path)


def test_a_whole_file_under_anothers_name_is_not_taken(tmp_path):
    with cache_writer(tmp_path / "one", 1) as file:
        file.write(b"a")
    shutil.copy(tmp_path / "one", tmp_path / "other")
    assert is_intact(tmp_path / "one")
    assert not is_intact(tmp_path / "other")


def test_what_an_earlier_version_left_is_made_again(tmp_path, caplog):
    (tmp_path / "old.npy").write_bytes(random.Random(0).randbytes(1000))
    assert not is_intact(tmp_path / "old.npy")
    assert "earlier version" in caplog.text
    assert not is_intact(tmp_path / "none.npy")
    assert len(caplog.records) == 1


@pytest.mark.parametrize("fault", ["a file in its place", "a folder in each file's place", "no room", "full later"])
def test_without_a_cache_that_can_be_written_the_model_is_the_same(run, fault, monkeypatch, tmp_path, caplog):
    wanted = run()
    if fault == "a file in its place":
        shutil.rmtree(cache_folder())
        cache_folder().touch()
    elif fault == "a folder in each file's place":
        for kind in KINDS:
            path = kept(kind)
            path.unlink()
            (path / "sub").mkdir(parents=True)
    else:
        shutil.rmtree(cache_folder())
        if fault == "no room":
            monkeypatch.setattr("shutil.disk_usage", lambda folder: type("Usage", (), {"free": 0}))
        else:

            def full(self, content):
                raise OSError(28, "No space left on device")

            monkeypatch.setattr(disk_cache.SealedFile, "write", full)
    caplog.clear()
    assert same(run(), wanted)
    assert len([record for record in caplog.records if "kept in memory" in record.getMessage()]) == 3
    assert not list(tmp_path.rglob("*.tmp"))


def test_what_fits_neither_disk_nor_memory_is_told(run, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda folder: type("Usage", (), {"free": 0}))
    monkeypatch.setattr(disk_cache, "_memory_bytes", lambda: 1000)
    with pytest.raises(CacheError, match="cache needs") as caught:
        run()
    assert "PCQTOOL_CACHE" in caught.value.hint


WRITE = """
import os, sys
from pathlib import Path
from pcqtool.training.disk_cache import cache_writer
with cache_writer(Path(sys.argv[1]), 10) as file:
    file.write(b"half")
    if sys.argv[2] == "killed":
        os.kill(os.getpid(), 9)
    file.write(b" and half")
"""


def write(path: Path, how: str) -> subprocess.Popen:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return subprocess.Popen([sys.executable, "-c", WRITE, str(path), how], env=environment)


def test_a_writer_that_is_killed_leaves_nothing_that_is_taken(tmp_path):
    assert write(tmp_path / "a.npy", "killed").wait(60) == -9
    assert not is_intact(tmp_path / "a.npy")
    assert not list(tmp_path.glob("*.npy"))


def test_several_may_write_the_same_at_once(tmp_path):
    started = [write(tmp_path / "a.npy", "whole") for _ in range(4)]
    assert [each.wait(60) for each in started] == [0] * 4
    assert is_intact(tmp_path / "a.npy")
    assert read_intact(tmp_path / "a.npy") == b"half and half"
    assert [path.name for path in tmp_path.iterdir()] == ["a.npy"]
