from __future__ import annotations

from pathlib import Path

from pcqtool.tables.paths import is_table_path, list_parts, list_tables, part_path, table_path


def test_names_of_the_two_tables() -> None:
    assert table_path(Path("out/results.parquet"), "files") == Path("out/results.parquet")
    assert table_path(Path("out/results.parquet"), "segments") == Path("out/results.segments.parquet")
    assert table_path(Path("2024.03.parquet"), "segments") == Path("2024.03.segments.parquet")


def test_names_of_parts() -> None:
    assert part_path(Path("out"), "files", 12) == Path("out/files/part-00012.parquet")
    assert part_path(Path("out"), "segments", 123_456) == Path("out/segments/part-123456.parquet")


def test_table_or_directory(tmp_path: Path) -> None:
    assert is_table_path(tmp_path / "r.parquet")
    assert is_table_path(tmp_path / "R.PARQUET")
    assert not is_table_path(tmp_path / "results")
    (tmp_path / "d.parquet").mkdir()
    assert not is_table_path(tmp_path / "d.parquet")


def test_parts_are_listed_by_number_and_nothing_else_is(tmp_path: Path) -> None:
    folder = tmp_path / "odd [name] *"
    assert list_parts(folder, "files") == []
    (folder / "files").mkdir(parents=True)
    (folder / "segments").mkdir()
    expected = [part_path(folder, "files", index) for index in (0, 2, 99_999, 100_000)]
    for path in reversed(expected):
        path.touch()
    for name in (".part-00001.parquet.0a1b2c3d.tmp", "part-00001.parquet.tmp", "other.parquet"):
        (folder / "files" / name).touch()
    part_path(folder, "segments", 5).touch()
    assert list_parts(folder, "files") == expected
    assert list_tables(folder, "files") == expected
    assert list_tables(folder, "segments") == [part_path(folder, "segments", 5)]
    assert list_tables(tmp_path / "r.parquet", "segments") == [tmp_path / "r.segments.parquet"]
