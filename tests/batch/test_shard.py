from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcqtool.batch.names import Source
from pcqtool.batch.shard import Shard, ShardProgress, read_inputs, read_progress, write_inputs
from pcqtool.errors import SettingsError, TableError


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


@pytest.mark.parametrize("text", ["0/4", "5/4", "4", "a/b", "1/0", "-1/4", "1/4/2", f"{'9' * 5000}/1", "١/٢"])
def test_what_is_no_shard_is_refused(text):
    with pytest.raises(SettingsError):
        Shard.parse(text)


def test_progress_and_inputs_come_back(tmp_path):
    names = ["a.wav", "b/größe.wav", "../line\nbreak.wav"]
    for number in (2, 1):
        ShardProgress(Shard(3, number), 4, finished=True, root="/data").write(tmp_path)
        write_inputs(tmp_path, Shard(3, number), [Source(name, name, 3, 1.5) for name in names])
    assert [(each.shard.number, each.n_parts, each.root) for each in read_progress(tmp_path)] == [
        (1, 4, "/data"),
        (2, 4, "/data"),
    ]
    assert read_inputs(tmp_path, Shard(3, 2)) == dict.fromkeys(names, ("3", "1500000"))


def test_damage_is_told(tmp_path):
    ShardProgress(Shard(3, 1)).write(tmp_path)
    write_inputs(tmp_path, Shard(3, 1), [Source("a", "a", 3, None)])
    for name, damage in (("1of3-progress.json", b"{"), ("1of3-inputs.gz", b"\x1f\x8b\x08")):
        (tmp_path / "shards" / name).write_bytes(damage)
    with pytest.raises(TableError, match="cannot be read"):
        read_progress(tmp_path)
    with pytest.raises(TableError, match="cannot be read"):
        read_inputs(tmp_path, Shard(3, 1))
    with pytest.raises(TableError, match="cannot be read"):
        read_inputs(tmp_path, Shard(3, 2))
