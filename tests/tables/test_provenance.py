from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pcqtool.errors import TableError
from pcqtool.tables.provenance import METADATA_KEY, Provenance, common_provenance, read_provenance
from pcqtool.tables.schema import SCHEMA_VERSION
from pcqtool.tables.writer import write
from pcqtool.version import __version__


def test_json_round_trip(provenance: Provenance) -> None:
    odd = replace(provenance, model='größe "x"\n', settings={"a": [1, 2.5, None], "b": {"c": True}})
    assert Provenance.from_json(odd.to_json()) == odd


def test_defaults(provenance: Provenance) -> None:
    assert (provenance.schema_version, provenance.tool_version) == (SCHEMA_VERSION, __version__)
    assert abs((datetime.now(UTC) - provenance.created).total_seconds()) < 60


def test_frozen(provenance: Provenance) -> None:
    with pytest.raises(FrozenInstanceError):
        provenance.model = "other"  # type: ignore[misc]


def test_file_round_trip(tmp_path: Path, files_table: pa.Table, provenance: Provenance) -> None:
    write(tmp_path / "r.parquet", files_table, provenance)
    assert read_provenance(tmp_path / "r.parquet") == provenance


def test_metadata_is_plain_json_for_any_reader(tmp_path: Path, files_table: pa.Table, provenance: Provenance) -> None:
    write(tmp_path / "r.parquet", files_table, provenance)
    stored = json.loads(pq.read_metadata(tmp_path / "r.parquet").metadata[b"pcqtool"])
    assert set(stored) == {
        *("schema_version", "tool_version", "model", "model_sha256", "labels"),
        *("fingerprint", "aggregation", "settings", "root", "created"),
    }
    assert stored["labels"] == list(provenance.labels)


def test_key_of_a_later_minor_version_is_left_aside(provenance: Provenance) -> None:
    text = json.dumps(json.loads(provenance.to_json()) | {"hostname": "later"})
    assert Provenance.from_json(text) == provenance


def test_newer_schema_names_both_versions_and_the_remedy(provenance: Provenance) -> None:
    text = json.dumps({"schema_version": SCHEMA_VERSION + 1, "tool_version": "9.8.7", "unlike": "today"})
    with pytest.raises(TableError, match=r"results.parquet: schema version 2, written by pcqtool 9\.8\.7") as caught:
        Provenance.from_json(text, "results.parquet")
    assert "newer" in caught.value.hint


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"schema_version": "x"}', "{}"])
def test_damaged_json(text: str) -> None:
    with pytest.raises(TableError, match="damaged provenance"):
        Provenance.from_json(text)


@pytest.mark.parametrize(
    "change", [{"labels": None}, {"created": "yesterday"}, {"created": 5}, {"model": ...}, {"labels": ...}], ids=str
)
def test_incomplete_json(provenance: Provenance, change: dict[str, object]) -> None:
    values = json.loads(provenance.to_json()) | change
    text = json.dumps({key: value for key, value in values.items() if value is not ...})
    with pytest.raises(TableError, match="incomplete provenance"):
        Provenance.from_json(text)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"none\.parquet: no such file"):
        read_provenance(tmp_path / "none.parquet")


@pytest.mark.parametrize("content", [b"", b"PAR1", b"hello, not parquet" * 9])
def test_not_parquet(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.parquet").write_bytes(content)
    with pytest.raises(TableError, match=r"x\.parquet: cannot be read as Parquet"):
        read_provenance(tmp_path / "x.parquet")


def test_directory(tmp_path: Path) -> None:
    with pytest.raises(TableError):
        read_provenance(tmp_path)


def test_foreign_parquet(tmp_path: Path) -> None:
    pq.write_table(pa.table({"x": [1]}), tmp_path / "x.parquet")
    with pytest.raises(TableError, match="not written by pcqtool"):
        read_provenance(tmp_path / "x.parquet")


def test_damaged_metadata_names_the_file(tmp_path: Path) -> None:
    table = pa.table({"x": [1]}).replace_schema_metadata({METADATA_KEY: b"\xff\xfe"})
    pq.write_table(table, tmp_path / "x.parquet")
    with pytest.raises(TableError, match=r"x\.parquet: damaged provenance"):
        read_provenance(tmp_path / "x.parquet")


def test_common_provenance(tmp_path: Path, files_table: pa.Table, provenance: Provenance) -> None:
    one, two, other = (tmp_path / f"{name}.parquet" for name in ("one", "two", "other"))
    write(one, files_table, provenance)
    write(two, files_table, replace(provenance, created=datetime(2020, 1, 1, tzinfo=UTC)))
    write(other, files_table, replace(provenance, fingerprint="beef"))
    assert common_provenance([one, two]) == provenance
    with pytest.raises(TableError, match=r"other\.parquet: made with other settings \(fingerprint beef, not cafe\)"):
        common_provenance([one, two, other])
    with pytest.raises(TableError, match="no table"):
        common_provenance([])
