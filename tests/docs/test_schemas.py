"""Every JSON output has a format, a schema and a line in the documentation."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, ValidationError

from pcqtool.cli.app import main, program
from pcqtool.cli.common.settings_text import commands_of
from pcqtool.json_format import JsonFormat
from tests.json_schemas import SCHEMAS, check_json
from tests.toy_results import event_row, file_row, segment_row, write_result

PAGE = SCHEMAS.parent / "json.md"


def _file(schema: str) -> str:
    return f"{schema.removeprefix('pcqtool.').partition('/')[0]}.json"


def _properties(schema: Any) -> Iterator[tuple[str, Any]]:
    """Yield all properties in a schema."""
    for key, value in schema.items() if isinstance(schema, dict) else enumerate(schema):
        if key == "properties":
            yield from value.items()
        if isinstance(value, dict | list):
            yield from _properties(value)


def test_each_format_has_a_schema_and_each_schema_a_format() -> None:
    assert {path.name for path in SCHEMAS.iterdir()} == {"common.json", *map(_file, JsonFormat)}
    for each in JsonFormat:
        schema = json.loads((SCHEMAS / _file(each)).read_text(encoding="utf-8"))
        assert (schema["title"], schema["properties"]["schema"]["const"]) == (each, each)
        assert "schema" in schema["required"]


@pytest.mark.parametrize("path", sorted(SCHEMAS.iterdir()), ids=lambda path: path.name)
def test_schemas_are_valid_and_explain_each_key(path: Path) -> None:
    schema = json.loads(path.read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    assert [name for name, each in _properties(schema) if not {"description", "$ref"} & each.keys()] == []


def test_the_page_names_the_format_of_each_command_with_json() -> None:
    rows = re.findall(r"^\| `([^`]*)`.*\| `(pcqtool\.[^`]+)` \| \[", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    documented = {command.removeprefix("pcqtool ").partition(" --")[0] for command, _ in rows}
    commands = {
        " ".join(path)
        for path, command in commands_of(program())
        if any("--json" in option.opts for option in command.params)
    }
    assert commands - documented == set()
    assert {schema for _, schema in rows} == set(JsonFormat)


@pytest.fixture
def result(tmp_path: Path) -> Path:
    """A result with a call and a recording that failed."""
    files = [
        file_row("a.wav", shares=(0.5, 0.25, 0.25), n_segments=1, speech_s=5.0),
        file_row("a.wav", channel="1", status="no_speech", error="no speech found", speech_s=0.0),
        file_row("b.wav", channel=None, status="failed", error="not a recording"),
    ]
    events = [event_row("a.wav", 0.0, 3.0, "anger"), event_row("a.wav", 3.0, 10.0, None, event=1)]
    return write_result(tmp_path / "r.parquet", files, [segment_row("a.wav", 0, "anger")], events, root=tmp_path)


COMMANDS = (
    ("show", "RESULT"),
    ("show", "RESULT", "--all", "--top", "0"),
    ("show", "RESULT", "a.wav"),
    ("show", "RESULT", "b.wav"),
    ("clips", "RESULT", "--out", "clips"),
    ("export", "RESULT", "--to", "csv", "--out", "r.csv"),
    ("report", "page", "RESULT", "--out", "r.html"),
    ("models", "list"),
    ("models", "info"),
    ("corpora", "list"),
    ("corpora", "info", "emodb"),
    ("recipes", "list"),
    ("config", "show"),
    ("config", "show", "label"),
)


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_outputs_follow_their_schemas(
    words: tuple[str, ...], result: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(result.parent)
    monkeypatch.setenv("PCQTOOL_CORPORA", str(result.parent / "none"))
    assert main([*(str(result) if word == "RESULT" else word for word in words), "--json"]) in (0, 3)
    content = json.loads(capsys.readouterr().out)
    check_json(content)
    with pytest.raises(ValidationError, match="Additional properties"):
        check_json(content | {"undocumented": 1})


def test_lines_of_recordings_follow_their_schema(result: Path) -> None:
    out = result.with_suffix(".jsonl")
    assert main(["export", str(result), "--to", "jsonl", "--out", str(out), "--quiet"]) == 0
    lines = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert [line["file"] for line in lines] == ["a.wav", "b.wav"]
    for line in lines:
        check_json(line)
