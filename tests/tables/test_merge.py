from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pcqtool.errors import TableError
from pcqtool.tables import writer
from pcqtool.tables.merge import merge
from pcqtool.tables.provenance import Provenance, read_provenance
from pcqtool.tables.schema import describe
from pcqtool.tables.writer import write

MakeTable = Callable[..., pa.Table]


@pytest.fixture
def parts(tmp_path: Path, make_segments: MakeTable, provenance: Provenance) -> list[Path]:
    """Five parts of 30 rows, the third without rows."""
    paths = [tmp_path / "segments" / f"part-{index:05d}.parquet" for index in range(5)]
    for index, path in enumerate(paths):
        write(path, make_segments(0 if index == 2 else 30, prefix=f"{index}"), provenance)
    return paths


def test_rows_in_order(tmp_path: Path, parts: list[Path], provenance: Provenance) -> None:
    out = tmp_path / "r.segments.parquet"
    later = replace(provenance, settings={"merged": True})
    merge(parts, out, later)
    assert pq.read_table(out).to_pylist() == [row for part in parts for row in pq.read_table(part).to_pylist()]
    assert pq.read_schema(out).remove_metadata() == pq.read_schema(parts[0]).remove_metadata()
    assert describe(pq.read_schema(out)) == describe(pq.read_schema(parts[0]))
    assert read_provenance(out) == later
    assert pq.read_metadata(out).num_row_groups == 1


def test_provenance_of_the_first_part_by_default(tmp_path: Path, parts: list[Path], provenance: Provenance) -> None:
    merge(parts, tmp_path / "r.parquet")
    assert read_provenance(tmp_path / "r.parquet") == provenance


def test_files_table(tmp_path: Path, files_table: pa.Table, provenance: Provenance) -> None:
    for name, rows in (("a", files_table.slice(0, 2)), ("b", files_table.slice(2))):
        write(tmp_path / f"{name}.parquet", rows, provenance)
    merge([tmp_path / "a.parquet", tmp_path / "b.parquet"], tmp_path / "r.parquet", provenance)
    assert pq.read_table(tmp_path / "r.parquet").equals(files_table)


def test_groups_of_good_size(
    tmp_path: Path, parts: list[Path], provenance: Provenance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "ROW_GROUP_ROWS", 50)
    merge(parts, tmp_path / "r.parquet", provenance)
    metadata = pq.read_metadata(tmp_path / "r.parquet")
    assert [metadata.row_group(index).num_rows for index in range(metadata.num_row_groups)] == [60, 60]


def test_one_part_is_open_and_one_group_is_held(
    tmp_path: Path, parts: list[Path], provenance: Provenance, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[int] = []
    flush = writer.Appender._flush

    def watched(self: writer.Appender) -> None:
        held.append(self._n_waiting)
        flush(self)

    monkeypatch.setattr(writer, "ROW_GROUP_ROWS", 30)
    monkeypatch.setattr(writer.Appender, "_flush", watched)
    merge(parts, tmp_path / "r.parquet", provenance)
    assert max(held) == 30


def test_parts_out_of_order(tmp_path: Path, parts: list[Path], provenance: Provenance) -> None:
    swapped = [parts[1], parts[0]]
    with pytest.raises(
        TableError, match=r"part-00000\.parquet: file '0-0000000\.wav'.* comes after file '1-0000009\.wav'"
    ):
        merge(swapped, tmp_path / "r.parquet", provenance)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["segments"]


def test_part_given_twice(tmp_path: Path, parts: list[Path], provenance: Provenance) -> None:
    with pytest.raises(TableError, match=r"part-00001\.parquet: .* comes after"):
        merge([parts[1], parts[1]], tmp_path / "r.parquet", provenance)


def test_part_of_another_run(
    tmp_path: Path, parts: list[Path], make_segments: MakeTable, provenance: Provenance
) -> None:
    write(parts[3], make_segments(9, prefix="3"), replace(provenance, fingerprint="beef"))
    with pytest.raises(TableError, match=r"part-00003\.parquet: made with other settings"):
        merge(parts, tmp_path / "r.parquet", provenance)
    assert not (tmp_path / "r.parquet").exists()


def test_part_with_other_columns(tmp_path: Path, parts: list[Path], provenance: Provenance) -> None:
    write(parts[4], pq.read_table(parts[4]).drop_columns(["padded"]), provenance)
    with pytest.raises(TableError, match=r"part-00004\.parquet: columns .* are due"):
        merge(parts, tmp_path / "r.parquet", provenance)


def test_damaged_parts(tmp_path: Path, parts: list[Path], provenance: Provenance) -> None:
    whole = parts[3].read_bytes()
    parts[3].write_bytes(whole[: len(whole) // 2])
    with pytest.raises(TableError, match=r"part-00003\.parquet: cannot be read"):
        merge(parts, tmp_path / "r.parquet", provenance)
    middle = 60
    parts[3].write_bytes(
        whole[:middle] + bytes(byte ^ 0xFF for byte in whole[middle : middle + 20]) + whole[middle + 20 :]
    )
    with pytest.raises(TableError, match=r"part-00003\.parquet: cannot be read") as caught:
        merge(parts, tmp_path / "r.parquet", provenance)
    assert "made anew" in caught.value.hint
    parts[3].unlink()
    with pytest.raises(TableError, match=r"part-00003\.parquet: no such file"):
        merge(parts, tmp_path / "r.parquet", provenance)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["segments"]


def test_one_flipped_byte_is_noticed(tmp_path: Path, parts: list[Path], provenance: Provenance) -> None:
    """Numbers too random to compress are stored as they are: without a checksum, the byte would be another number."""
    noise = pa.array(np.random.default_rng(0).random(30), pa.float32())
    table = pq.read_table(parts[3])
    write(parts[3], table.set_column(5, table.schema.field("speech"), noise), provenance)
    column = pq.read_metadata(parts[3]).row_group(0).column(5)
    content = bytearray(parts[3].read_bytes())
    content[column.data_page_offset + column.total_compressed_size - 1] ^= 1
    parts[3].write_bytes(content)
    assert pq.read_table(parts[3])["speech"].combine_chunks() != noise  # nothing else would notice
    with pytest.raises(TableError, match=r"part-00003\.parquet: cannot be read .*CRC"):
        merge(parts, tmp_path / "r.parquet", provenance)


def test_no_parts(tmp_path: Path, provenance: Provenance) -> None:
    with pytest.raises(TableError, match="no parts"):
        merge([], tmp_path / "r.parquet", provenance)
