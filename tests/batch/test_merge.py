from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pcqtool.batch.merge import merge
from pcqtool.batch.names import Source
from pcqtool.batch.output import RunOutput
from pcqtool.batch.shard import Shard, ShardProgress
from pcqtool.errors import LockedError, TableError
from pcqtool.labelling.task import SCHEMAS
from pcqtool.tables.paths import part_path
from pcqtool.tables.provenance import read_provenance
from pcqtool.tables.schema import events_schema, files_schema, segments_schema

NAMES = [f"{i:02d}.wav" for i in range(20)]


@pytest.fixture
def store_of(provenance):
    """Open an output, whose names are relative to a folder."""

    def open_store(out, shard=None, root="/data"):
        columns = {kind: schema(provenance.labels).names for kind, schema in SCHEMAS.items()}
        store = RunOutput(out, provenance, columns, shard)
        store.name_from(root)
        return store

    return open_store


@pytest.fixture
def run(store_of, provenance):
    """Do what a run of a shard does: take its share of the names it is given, in parts of three."""

    def label(out, names, shard=None, root="/data", size=1, targets=None):
        store = store_of(out, shard, root)
        with store.locked():
            done = store.done()
            store.note_inputs([Source(name, name, size, 1.0) for name in names])
            todo = [name for name in names if store.shard.has(name) and name not in done]
            store.prepare()
            for first in range(0, len(todo), 3):
                part = todo[first : first + 3]
                with store.appending_segments(segments_schema(provenance.labels)) as rows:
                    rows.append(_segments(part, provenance.labels))
                store.write_part(_files(part, provenance.labels, size, targets or {}), _events(part, provenance.labels))
            store.finish()

    return label


def _files(names, labels, size, targets):
    common = {"channel": "0", "n_segments": 1, "status": "ok", "size_bytes": size}
    rows = [common | {"file": n, "target": targets.get(n)} for n in names]
    return pa.Table.from_pylist(rows, files_schema(labels))


def _events(names, labels):
    rows = [{"file": name, "channel": "0", "event": 0, "start_s": 0.0, "end_s": 3.0} for name in names]
    return pa.Table.from_pylist(rows, events_schema(labels))


def _segments(names, labels):
    rows = [{"file": n, "channel": "0", "segment": 0, "start_s": 0.0, "end_s": 1.0, "padded": True} for n in names]
    return pa.Table.from_pylist(rows, segments_schema(labels))


def files_in(table):
    return pq.read_table(table, columns=["file"])["file"].to_pylist()


def test_shards_come_together_from_one_directory_or_several(run, tmp_path):
    for number in (1, 2, 3):
        run(tmp_path / "one", NAMES, Shard(3, number))
        run(tmp_path / str(number), NAMES, Shard(3, number))
    merge([tmp_path / "one"], tmp_path / "a.parquet")
    merge([tmp_path / "3", tmp_path / "1", tmp_path / "2", tmp_path / "1"], tmp_path / "b.parquet")
    for table in ("a.parquet", "b.parquet", "a.segments.parquet"):
        assert files_in(tmp_path / table) == NAMES
    assert read_provenance(tmp_path / "a.parquet").root == "/data"


def test_holes_are_named(run, tmp_path):
    out = tmp_path / "r.parquet"
    for number in (1, 3):
        run(tmp_path / "d", NAMES, Shard(3, number))
    with pytest.raises(TableError, match="missing: shard 2/3"):
        merge([tmp_path / "d"], out)
    ShardProgress(Shard(3, 2)).write(tmp_path / "d")
    with pytest.raises(TableError, match="shard 2/3 is not finished"):
        merge([tmp_path / "d"], out)
    run(tmp_path / "d", NAMES, Shard(3, 2))
    part_path(tmp_path / "d", "files", 0, Shard(3, 2).prefix).unlink()
    with pytest.raises(TableError, match=r"lacks parts: it has \d of \d"):
        merge([tmp_path / "d"], out)
    assert not out.exists()


def test_shards_of_different_runs_or_twice_are_refused(run, tmp_path):
    for folder, shard in (("a", Shard(3, 1)), ("b", Shard(3, 1)), ("c", Shard(2, 1)), ("d", None), ("e", None)):
        run(tmp_path / folder, NAMES, shard)
    for folders, reason in (("ab", "is in"), ("ac", "2 and with 3 shards"), ("de", "different runs")):
        with pytest.raises(TableError, match=reason):
            merge([tmp_path / folder for folder in folders], tmp_path / "r.parquet")


def test_recordings_that_came_between_the_shards_are_missed(run, tmp_path):
    run(tmp_path / "d", NAMES[:17], Shard(2, 1))
    run(tmp_path / "d", NAMES, Shard(2, 2))
    late = [name for name in NAMES[17:] if Shard(2, 1).has(name)]
    assert late
    with pytest.raises(TableError, match=f"missing: {len(late)} of 20 recordings, such as {late[0]}") as caught:
        merge([tmp_path / "d"], tmp_path / "r.parquet")
    assert "shard 1/2" in caught.value.hint
    assert "2/2" not in caught.value.hint
    run(tmp_path / "d", NAMES, Shard(2, 1))
    merge([tmp_path / "d"], tmp_path / "r.parquet")
    assert files_in(tmp_path / "r.parquet") == NAMES


def test_shards_that_were_started_from_other_folders_are_missed(run, tmp_path):
    run(tmp_path / "a", NAMES, Shard(2, 1))
    run(tmp_path / "b", [f"mon/{name}" for name in NAMES], Shard(2, 2), root="/other")
    with pytest.raises(TableError, match="missing: ") as caught:
        merge([tmp_path / "a", tmp_path / "b"], tmp_path / "r.parquet")
    assert "/data and to /other" in caught.value.hint


def test_shards_of_machines_that_mount_the_recordings_elsewhere_fit(run, tmp_path):
    run(tmp_path / "a", NAMES, Shard(2, 1), root="/mnt/a")
    run(tmp_path / "b", NAMES, Shard(2, 2), root="/mnt/b")
    merge([tmp_path / "a", tmp_path / "b"], tmp_path / "r.parquet")
    assert files_in(tmp_path / "r.parquet") == NAMES


def test_shards_of_two_trees_that_look_alike_are_refused(run, tmp_path):
    run(tmp_path / "a", NAMES, Shard(2, 1), root="/mnt/a")
    run(tmp_path / "b", NAMES, Shard(2, 2), root="/mnt/b", size=2)
    with pytest.raises(TableError, match=r"00\.wav is a different recording below /mnt/a than below /mnt/b"):
        merge([tmp_path / "a", tmp_path / "b"], tmp_path / "r.parquet")


@pytest.mark.parametrize("names", [("l.wav", "../x.wav"), ("../x.wav", "l.wav")])
def test_a_recording_that_one_of_them_knows_by_a_link_has_one_row(run, tmp_path, names):
    targets = {"l.wav": "../x.wav"}
    run(tmp_path / "r.parquet", [names[0]], targets=targets)
    run(tmp_path / "d", [names[1]], targets=targets)
    merge([tmp_path / "d"], tmp_path / "r.parquet")
    assert files_in(tmp_path / "r.parquet") == files_in(tmp_path / "r.segments.parquet") == [names[1]]


def test_parts_of_a_killed_run_do_not_outlive_a_merge(run, store_of, tmp_path, provenance):
    out = tmp_path / "r.parquet"
    store = store_of(out)
    with store.locked():  # and killed after its first part
        store.prepare()
        with store.appending_segments(segments_schema(provenance.labels)) as rows:
            rows.append(_segments(["01.wav"], provenance.labels))
        store.write_part(_files(["01.wav"], provenance.labels, 1, {}), _events(["01.wav"], provenance.labels))
    run(tmp_path / "d", NAMES, size=2)
    merge([tmp_path / "d"], out)
    run(out, ["new.wav"])
    rows = pq.read_table(out, columns=["file", "size_bytes"]).to_pylist()
    assert {row["file"]: row["size_bytes"] for row in rows} == dict.fromkeys(NAMES, 2) | {"new.wav": 1}


def test_a_table_that_is_there_keeps_its_rows(run, tmp_path):
    out = tmp_path / "r.parquet"
    run(out, ["01.wav", "old.wav"])
    run(tmp_path / "d", NAMES, size=2)
    merge([tmp_path / "d"], out)
    assert files_in(out) == [*NAMES, "old.wav"]
    assert files_in(tmp_path / "r.segments.parquet") == [*NAMES, "old.wav"]
    rows = pq.read_table(out, columns=["file", "size_bytes"]).to_pylist()
    assert {row["file"]: row["size_bytes"] for row in rows} == dict.fromkeys(NAMES, 2) | {"old.wav": 1}


def test_a_table_that_names_from_elsewhere_is_not_replaced(run, tmp_path):
    out = tmp_path / "r.parquet"
    run(out, ["01.wav"], root="/A")
    before = out.read_bytes()
    run(tmp_path / "d", NAMES, root="/B")
    with pytest.raises(TableError, match="relative to /A, the parts relative to /B"):
        merge([tmp_path / "d"], out)
    assert out.read_bytes() == before


@pytest.mark.parametrize("held", ["r.parquet", "d"])
def test_nothing_is_merged_while_a_run_writes(run, store_of, tmp_path, held):
    run(tmp_path / "d", NAMES)
    with store_of(tmp_path / held).locked(), pytest.raises(LockedError):
        merge([tmp_path / "d"], tmp_path / "r.parquet")
    merge([tmp_path / "d"], tmp_path / "r.parquet")
    assert sorted(path.name for path in tmp_path.rglob("*lock*")) == []
