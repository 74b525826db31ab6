from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcqtool.corpora.manifest.table import read_table
from pcqtool.errors import CorpusError


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_csv_lines_are_counted_through_blank_lines_and_line_breaks_in_quotes(tmp_path):
    path = write(tmp_path, "m.csv", 'file_name,label\n\na.wav,"an\nger"\n,\nb.wav\n')
    assert list(read_table(path)) == [(4, {"file_name": "a.wav", "label": "an\nger"}), (6, {"file_name": "b.wav"})]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_byte_order_mark_and_line_ends(tmp_path, mark, end):
    path = write(tmp_path, "m.csv", mark + f"file_name, label{end}a,b{end}{end}c,d{end}".encode())
    assert list(read_table(path)) == [(2, {"file_name": "a", "label": "b"}), (4, {"file_name": "c", "label": "d"})]


def test_tabs_and_leading_zeros(tmp_path):
    path = write(tmp_path, "m.TSV", "speaker\tlabel\n03\ta, b\n")
    assert list(read_table(path)) == [(2, {"speaker": "03", "label": "a, b"})]


def test_semicolons_of_a_spreadsheet(tmp_path):
    path = write(tmp_path, "m.csv", "file_name;label\r\na, b.wav;sad\r\n")
    assert list(read_table(path)) == [(2, {"file_name": "a, b.wav", "label": "sad"})]
    assert list(read_table(write(tmp_path, "m.csv", "a,b;c\n1,2;3\n"))) == [(2, {"a": "1", "b;c": "2;3"})]


def test_trailing_separators_of_a_spreadsheet_are_ignored(tmp_path):
    assert list(read_table(write(tmp_path, "m.csv", "a,b\n1,2,,\n"))) == [(2, {"a": "1", "b": "2"})]


def test_json_lines(tmp_path):
    path = write(tmp_path, "m.jsonl", b'\xef\xbb\xbf{"a": "\\u2028"}\r\n\r\n{"a": "\xe2\x80\xa8", "b": 3}')
    assert list(read_table(path)) == [(1, {"a": "\u2028"}), (3, {"a": "\u2028", "b": 3})]


def test_parquet_keeps_its_types(tmp_path):
    import polars

    path = tmp_path / "m.parquet"
    polars.DataFrame({"a": ["x", None], "n": [1, 2]}).write_parquet(path)
    assert list(read_table(path)) == [(1, {"a": "x", "n": 1}), (2, {"a": None, "n": 2})]


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("m.csv", "a,b\n1,2\n1,2,3\n", "line 3: 3 fields, but 2 columns"),
        ("m.csv", "a,b,a\n", "line 1: more than one column is called 'a'"),
        ("m.csv", 'a,b\n1,"2\n', "line 2: unexpected end of data"),
        ("m.csv", b"a,b\n1,2\n1,\xe9\n", "line 3: not UTF-8"),
        ("m.jsonl", '{"a": 1}\n{oops\n', "line 2: not JSON"),
        ("m.jsonl", "[1]\n", "line 1: not a JSON object"),
        ("m.jsonl", '{"a": 1}\n' + "[" * 100_000, "line 2: not JSON"),
        ("m.jsonl", '{"a": ' * 100_000, "line 1: not JSON"),
        ("m.jsonl", '{"a": %s}' % ("9" * 5000), "line 1: not JSON"),
        ("m.jsonl", '{"a": 1, "a": 2}', "line 1: not JSON: a name occurs twice"),
        ("m.csv", b"\xff\xfea\x00,", "not UTF-16"),
        ("m.csv", "a,b\n1,2\n".encode("utf-16-le"), "line 1: contains zero bytes"),
        ("m.jsonl", '{"a": 1}\n'.encode("utf-16-be"), "line 1: contains zero bytes"),
        ("m.csv", "sep=;\na;b;a\n", "line 2: more than one column is called 'a'"),
        ("m.parquet", "not parquet", "not a readable Parquet file"),
        ("m.xlsx", "", "not a manifest"),
    ],
)
def test_a_damaged_file_is_an_error_with_its_line(tmp_path, name, content, text):
    with pytest.raises(CorpusError) as caught:
        list(read_table(write(tmp_path, name, content)))
    assert text in caught.value.what
    assert name in caught.value.what


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(CorpusError, match="no such file"):
        read_table(tmp_path / "m.csv")


@given(
    rows=st.lists(
        st.tuples(*2 * [st.text(st.characters(codec="utf-8", exclude_characters="\0"))]).filter(
            lambda row: any(field.strip() for field in row)
        )
    )
)
def test_tables_written_by_the_csv_module_are_read_back(tmp_path_factory, rows):
    import csv

    path = tmp_path_factory.mktemp("csv") / "m.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("a", "b"), *rows])
    assert [tuple(row.values()) for _, row in read_table(path)] == rows


@pytest.mark.parametrize("name", ["m[1]*?.parquet", "file:/m.parquet", "job:1/m.parquet", "~m.parquet"])
def test_a_parquet_file_of_any_name_is_read(tmp_path, monkeypatch, name):
    import polars

    monkeypatch.chdir(tmp_path)
    path = Path(name)
    path.parent.mkdir(exist_ok=True)
    with path.open("wb") as file:
        polars.DataFrame({"file_name": ["a.wav"], "label": ["sad"]}).write_parquet(file)
    assert list(read_table(path)) == [(1, {"file_name": "a.wav", "label": "sad"})]


HEADING = ["file_name", "label", "speaker"]
cells = st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=5).filter(lambda cell: cell == cell.strip())


@given(
    rows=st.lists(st.lists(cells, min_size=3, max_size=3).filter(any), max_size=4),
    sign=st.sampled_from(",;\t"),
    said=st.booleans(),
    ending=st.sampled_from(("csv", "tsv")),
    encoding=st.sampled_from(("utf-8", "utf-8-sig", "utf-16", "utf-32")),
    end=st.sampled_from(("\n", "\r\n", "\r")),
)
def test_however_a_spreadsheet_saves_it_the_cells_are_the_same(
    tmp_path_factory, rows, sign, said, ending, encoding, end
):
    def quoted(cell: str) -> str:
        return '"' + cell.replace('"', '""') + '"'

    lines = [sign.join(HEADING), *(sign.join(map(quoted, row)) for row in rows)]
    text = "".join(line + end for line in ([f"sep={sign}"] if said else []) + lines)
    path = tmp_path_factory.mktemp("m") / f"m.{ending}"
    path.write_bytes(text.encode(encoding))
    first = 3 if said else 2
    assert list(read_table(path)) == [
        (number, dict(zip(HEADING, row, strict=True)))
        for number, row in enumerate(rows, start=first)
        if any(cell.strip() for cell in row)
    ]


def test_a_separator_inside_quotes_is_text(tmp_path):
    path = write(tmp_path, "m.csv", '"file_name";"label, as heard"\na.wav;sad\n')
    assert list(read_table(path)) == [(2, {"file_name": "a.wav", "label, as heard": "sad"})]


def test_a_file_that_cannot_be_read_is_an_error(tmp_path, monkeypatch):
    path = write(tmp_path, "m.csv", "a,b\n")

    def refuse(self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(CorpusError, match="cannot be read: Permission denied"):
        list(read_table(path))
