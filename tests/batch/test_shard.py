from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcqtool.batch.shard import Progress, Shard, check_whole, read_progress
from pcqtool.errors import SettingsError, TableError
from pcqtool.tables.paths import part_path


@given(st.integers(1, 40), st.text(st.characters(exclude_categories=["Cs"])))
def test_each_file_is_in_exactly_one_shard(count, file):
    assert sum(Shard(count, number + 1).has(file) for number in range(count)) == 1


def test_shards_are_the_same_on_every_machine():
    assert [next(n for n in range(1, 17) if Shard(16, n).has(f"calls/{i}.wav")) for i in range(6)] == HOMES


HOMES = [13, 6, 11, 14, 4, 15]


def test_load_is_even():
    rng = np.random.default_rng(0)
    durations_s = rng.lognormal(4.0, 1.0, 100_000)
    first = np.zeros(16)
    shards = [Shard(16, number + 1) for number in range(16)]
    for i, duration_s in enumerate(durations_s):
        first[next(s.number for s in shards if s.has(f"2024/{i % 97:02d}/call-{i:06d}.wav")) - 1] += duration_s
    shares = first / first.sum()
    assert shares.min() > 0.055
    assert shares.max() < 0.07


@pytest.mark.parametrize("text", ["0/4", "5/4", "4", "a/b", "1/0", "-1/4", "1/4/2"])
def test_what_is_no_shard_is_refused(text):
    with pytest.raises(SettingsError):
        Shard.parse(text)


def finish(directory, number, count=3, n_parts=1):
    shard = Shard(count, number)
    for kind in ("files", "segments"):
        (directory / kind).mkdir(parents=True, exist_ok=True)
        for index in range(n_parts):
            part_path(directory, kind, index, shard.prefix).touch()
    Progress(shard, n_parts, finished=True).write(directory)


def test_a_whole_run_passes_from_one_directory_or_several(tmp_path):
    for number in (1, 2, 3):
        finish(tmp_path / "one", number)
        finish(tmp_path / str(number), number)
    check_whole([tmp_path / "one"])
    check_whole([tmp_path / "1", tmp_path / "2", tmp_path / "3"])
    assert [progress.shard.number for progress in read_progress(tmp_path / "one")] == [1, 2, 3]


def test_holes_are_named(tmp_path):
    for number in (1, 3):
        finish(tmp_path, number)
    with pytest.raises(TableError, match="missing: shard 2/3"):
        check_whole([tmp_path])
    Progress(Shard(3, 2)).write(tmp_path)
    with pytest.raises(TableError, match="shard 2/3 is not finished"):
        check_whole([tmp_path])
    finish(tmp_path, 2, n_parts=2)
    check_whole([tmp_path])
    part_path(tmp_path, "files", 0, Shard(3, 2).prefix).unlink()
    with pytest.raises(TableError, match="hole: 1 of its 2 parts"):
        check_whole([tmp_path])


def test_shards_of_different_runs_or_twice_are_refused(tmp_path):
    finish(tmp_path / "a", 1)
    finish(tmp_path / "b", 1)
    with pytest.raises(TableError, match="is in"):
        check_whole([tmp_path / "a", tmp_path / "b"])
    finish(tmp_path / "c", 1, count=2)
    with pytest.raises(TableError, match="2 and in 3 shards"):
        check_whole([tmp_path / "a", tmp_path / "c"])


def test_damage_is_told(tmp_path):
    finish(tmp_path, 1)
    (tmp_path / "shards" / "1of3-progress.json").write_text("{")
    with pytest.raises(TableError, match="cannot be read"):
        check_whole([tmp_path])
