"""Blocks: they read like one array, follow the content, and survive a kill."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pcqtool.corpora.base import Utterance
from pcqtool.errors import CacheError
from pcqtool.model.encoders.pretrained import load_pretrained
from pcqtool.progress import Progress
from pcqtool.training import blocks as module
from pcqtool.training import disk_cache
from pcqtool.training.augmentation import Augmentations
from pcqtool.training.blocks import BlockArray, cached_blocks, cut_into_blocks, joined
from pcqtool.training.disk_cache import cache_folder
from pcqtool.training.feature_cache import cache_states
from pcqtool.training.segments import build_segments

CPU = torch.device("cpu")
N = 40


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch, tmp_path):
    monkeypatch.setenv("PCQTOOL_CACHE", str(tmp_path / "cache"))
    for name, size in {"_MIN_BLOCK": 4, "_MAX_BLOCK": 16, "_MEAN_REST": 4}.items():
        monkeypatch.setattr(module, name, size)


@pytest.fixture
def recordings(tmp_path):
    """Make 40 recordings of a twentieth of a second, except a few that are longer than a segment."""
    dice = np.random.default_rng(0)
    paths = [tmp_path / f"{number}.wav" for number in range(N)]
    for number, path in enumerate(paths):
        soundfile.write(path, dice.normal(0, 0.1, 60_000 if number % 9 == 5 else 800), 16000)
    return [Utterance(path, "anger") for path in paths]


def build(utterances, cache=True, **options):
    return build_segments(utterances, 1, Augmentations(p_codec=0.0), 0, 1, cache, **options)


@given(st.lists(st.integers(1, 5), min_size=1, max_size=6), st.data())
@settings(deadline=None)
def test_blocks_read_like_one_array(sizes, data):
    whole = np.random.default_rng(0).integers(-99, 99, (sum(sizes), 3, 2)).astype(np.int16)
    blocks = BlockArray(np.split(whole, np.cumsum(sizes)[:-1]))
    assert (len(blocks), blocks.shape, blocks.dtype) == (len(whole), whole.shape, whole.dtype)
    rows = np.array(data.draw(st.lists(st.integers(-len(whole), len(whole) - 1), max_size=9)), np.int64)
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=len(whole), max_size=len(whole))))
    row = data.draw(st.integers(-len(whole), len(whole) - 1))
    for index in (rows, mask, row, slice(1, 4), (rows, slice(None, 2)), (row, slice(1, None)), (rows, slice(None), 1)):
        np.testing.assert_array_equal(blocks[index], whole[index])
        assert blocks[index].shape == whole[index].shape
    np.testing.assert_array_equal(np.asarray(blocks), whole)
    np.testing.assert_array_equal(np.stack(list(blocks)), whole)
    with pytest.raises(IndexError):
        blocks[len(whole)]


def test_one_block_is_the_array_itself():
    array = np.zeros(3)
    assert joined([array]) is array


@given(st.lists(st.binary(min_size=4, max_size=4), max_size=200))
@settings(deadline=None)
def test_blocks_cover_the_list_in_bounded_pieces(digests):
    blocks = cut_into_blocks(digests)
    assert [number for block in blocks for number in block] == list(range(len(digests)))
    assert all(len(block) <= 16 for block in blocks)
    assert all(len(block) >= 4 for block in blocks[:-1])


def test_a_list_that_grows_in_front_keeps_most_blocks(monkeypatch):
    for name, size in {"_MIN_BLOCK": 128, "_MAX_BLOCK": 512, "_MEAN_REST": 128}.items():
        monkeypatch.setattr(module, name, size)
    dice = random.Random(0)
    first, second = ([dice.randbytes(32) for _ in range(n)] for n in (1000, 5000))

    def contents(digests):
        return {tuple(digests[block.start : block.stop]) for block in cut_into_blocks(digests)}

    alone, pooled = contents(second), contents(first + second)
    assert 15 <= len(alone) <= 25
    assert len(alone - pooled) <= 4


def test_segments_in_blocks_are_those_of_one_piece(recordings):
    wanted, found = build(recordings, cache=False), build(recordings)
    assert isinstance(found.samples, BlockArray)
    assert len(list((cache_folder() / "segments").iterdir())) == len(found.samples.blocks) > 2
    for name in ("n_samples", "utterance", "version"):
        np.testing.assert_array_equal(getattr(found, name), getattr(wanted, name))
    np.testing.assert_array_equal(np.asarray(found.samples), wanted.samples)
    assert found.digest == wanted.digest
    rows = np.random.default_rng(0).permutation(len(wanted.samples))[:20]
    np.testing.assert_array_equal(found.waves(rows), wanted.waves(rows))


def test_a_pool_uses_the_blocks_of_its_corpora(recordings, monkeypatch):
    build(recordings[10:])
    calls = []
    augment = module_augment()
    monkeypatch.setattr("pcqtool.training.segments.augment", lambda *each: calls.append(1) or augment(*each))
    found = build(recordings)
    assert 10 <= len(calls) <= 30
    np.testing.assert_array_equal(np.asarray(found.samples), build(recordings, cache=False).samples)


def module_augment():
    from pcqtool.training.augmentation import augment

    return augment


def test_the_stages_are_reported(recordings):
    reports: list[Progress] = []
    build(recordings, on_progress=reports.append)
    assert [each.unit for each in reports if each.done == 0] == ["recordings read", "recordings augmented"]
    for unit in ("recordings read", "recordings augmented"):
        counts = [each.done for each in reports if each.unit == unit]
        assert counts == sorted(counts)
        assert counts[-1] == N
    reports.clear()
    build(recordings, on_progress=reports.append)
    assert {each.unit for each in reports} == {"recordings read"}


def test_states_in_blocks_are_those_of_one_piece(recordings, tiny_whisper, monkeypatch):
    encoder = load_pretrained(tiny_whisper, (0, 2), frozen=True)
    data = build(recordings)
    reports: list[Progress] = []
    states = cache_states(encoder, data, CPU, reports.append)
    assert isinstance(states, BlockArray)
    assert len(list((cache_folder() / "features").iterdir())) == len(states.blocks) > 2
    counts = [each.done for each in reports]
    assert counts == sorted(counts)
    assert counts[-1] == len(states) == len(data.samples)
    with torch.no_grad():
        own = encoder.encode(torch.from_numpy(data.waves(np.arange(len(data.samples)))))
    torch.testing.assert_close(torch.from_numpy(np.asarray(states)).float(), own, atol=1e-5, rtol=2**-10)
    monkeypatch.setattr("pcqtool.training.feature_cache._encode", None)
    np.testing.assert_array_equal(np.asarray(cache_states(encoder, data, CPU)), np.asarray(states))


def test_what_does_not_fit_on_disk_later_stays_in_memory(monkeypatch, caplog):
    blocks = [np.full((3, 2), number, np.int16) for number in range(4)]
    written = iter((True, False, True, True))
    plain = module.cache_writer

    def writer(path, n_bytes):
        if next(written):
            return plain(path, n_bytes)
        raise CacheError("the disk is full")

    monkeypatch.setattr(module, "cache_writer", writer)
    found = cached_blocks("kind", list("abcd"), [1] * 4, lambda number: (3, iter(np.split(blocks[number], 3))))
    np.testing.assert_array_equal(np.concatenate(found), np.concatenate(blocks))
    assert [isinstance(block, np.memmap) for block in found] == [True, False, False, False]
    assert caplog.text.count("kept in memory") == 1
    monkeypatch.setattr(disk_cache, "_memory_bytes", lambda: 100)
    monkeypatch.setattr(module, "cache_writer", lambda path, n_bytes: writer_that_fails(n_bytes))
    with pytest.raises(CacheError, match="needs 60"):
        cached_blocks("other", list("abcde"), [1] * 5, lambda number: (3, iter([blocks[0]])))


def test_a_block_that_another_process_makes_meanwhile_is_not_computed_again():
    block, built = np.ones((3, 2), np.int16), []

    def build(number):
        built.append(number)
        if number == 0:  # meanwhile, elsewhere
            cached_blocks("kind", ["second"], [1], lambda _: (3, iter([2 * block])))
        return 3, iter([block])

    first, second = cached_blocks("kind", ["first", "second"], [1, 1], build)
    assert built == [0]
    np.testing.assert_array_equal(first, block)
    np.testing.assert_array_equal(second, 2 * block)


def writer_that_fails(n_bytes):
    raise CacheError(f"needs {n_bytes}")


KILLED = """
import os, sys
from pathlib import Path
import torch
from pcqtool.corpora.base import Utterance
from pcqtool.model.encoders.pretrained import load_pretrained
from pcqtool.progress import Progress
from pcqtool.training import blocks, feature_cache
from pcqtool.training.augmentation import Augmentations
from pcqtool.training.segments import build_segments
from pcqtool.training.feature_cache import cache_states

blocks._MIN_BLOCK, blocks._MAX_BLOCK, blocks._MEAN_REST = 4, 16, 4
feature_cache.is_fast_in_bfloat16 = lambda device: False
folder, encoder, stage, limit = sys.argv[1:]

def report(progress: Progress) -> None:
    if progress.unit == stage and progress.done >= int(limit):
        os.kill(os.getpid(), 9)

utterances = [Utterance(Path(folder, f"{number}.wav"), "anger") for number in range(40)]
data = build_segments(utterances, 1, Augmentations(p_codec=0.0), 0, 1, True, report)
cache_states(load_pretrained(encoder, (0, 2), frozen=True), data, torch.device("cpu"), report)
"""


@pytest.mark.parametrize(("stage", "limit"), [("recordings augmented", 30), ("segments encoded", 60)])
def test_a_killed_run_keeps_its_finished_blocks(recordings, tiny_whisper, tmp_path, stage, limit):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", KILLED, str(tmp_path), str(tiny_whisper), stage, str(limit)]
    assert subprocess.run(command, env=environment, check=False, timeout=300).returncode == -signal.SIGKILL
    reports: list[Progress] = []
    data = build(recordings, on_progress=reports.append)
    encoder = load_pretrained(tiny_whisper, (0, 2), frozen=True)
    states = cache_states(encoder, data, CPU, reports.append)
    done_before = min(each.done for each in reports if each.unit == stage)
    assert limit - 2 * 16 - 2 <= done_before < limit
    assert done_before > 0, "blocks before the kill are not computed again"
    np.testing.assert_array_equal(np.asarray(data.samples), build(recordings, cache=False).samples)
    with torch.no_grad():
        own = encoder.encode(torch.from_numpy(data.waves(np.arange(len(data.samples)))))
    torch.testing.assert_close(torch.from_numpy(np.asarray(states)).float(), own, atol=1e-5, rtol=2**-10)
