from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pcqtool.errors import ModelError
from pcqtool.model.config import ModelConfig, read_config

ENTRIES = {"name": "small", "labels": ["anger", "sadness"], "network": {"classifier_hidden": [16]}}


def write(directory: Path, entries: object) -> Path:
    (directory / "config.json").write_text(json.dumps(entries))
    return directory


def test_missing_optional_entries_get_defaults(tmp_path: Path) -> None:
    config = read_config(write(tmp_path, ENTRIES))
    assert config == ModelConfig("small", ("anger", "sadness"), {"classifier_hidden": [16]})
    assert (config.temperature, config.aggregation, config.format) == (1.0, "mean-log", 1)
    assert config.license == ""
    assert read_config(write(tmp_path, ENTRIES | {"license": "CC BY 4.0"})).license == "CC BY 4.0"


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"format": 2}, "format 2 is not known"),
        ({"format": "new"}, "format 'new' is not known"),
        ({"licence": "MIT", "colour": "red"}, "unknown entries colour, licence"),
        ({"name": 5}, "name must be text"),
        ({"name": None}, "name must be text"),
        ({"labels": "anger"}, "labels must be a list"),
        ({"labels": None}, "labels must be a list"),
        ({"labels": []}, "labels must be different names"),
        ({"labels": [1, 2]}, "labels must be different names"),
        ({"labels": [["a"], ["b"]]}, "labels must be different names"),
        ({"labels": ["anger", "anger"]}, "labels must be different names"),
        ({"network": []}, "network must be an object"),
        ({"provenance": "none"}, "provenance must be an object"),
        ({"trained_on": 1}, "trained_on must be text"),
        ({"license": None}, "license must be text"),
        ({"license": "a\nb"}, "license must be text of one line"),
        ({"license": "x" * 2001}, "license must be text of one line, 2000 characters at most"),
        ({"temperature": 0}, "temperature must be a positive number"),
        ({"temperature": -1.0}, "temperature must be a positive number"),
        ({"temperature": "1"}, "temperature must be a positive number"),
        ({"temperature": True}, "temperature must be a positive number"),
        ({"temperature": float("nan")}, "temperature must be a positive number"),
        ({"temperature": float("inf")}, "temperature must be a positive number"),
        ({"aggregation": "median"}, "aggregation must be one of mean-log"),
        ({"aggregation": ["mean"]}, "aggregation must be text"),
    ],
)
def test_wrong_entries_are_named(tmp_path: Path, changes: dict[str, Any], word: str) -> None:
    with pytest.raises(ModelError) as caught:
        read_config(write(tmp_path, ENTRIES | changes))
    assert word in caught.value.what
    assert str(tmp_path / "config.json") in caught.value.what


@pytest.mark.parametrize("missing", ENTRIES)
def test_missing_entries_are_named(tmp_path: Path, missing: str) -> None:
    with pytest.raises(ModelError, match=f"missing entries {missing}"):
        read_config(write(tmp_path, {key: value for key, value in ENTRIES.items() if key != missing}))


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"7", b"\xff\xfe\x00", b"[" * 100_000])
def test_only_a_json_object_is_accepted(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(ModelError, match=r"config\.json is not a valid model configuration"):
        read_config(tmp_path)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"cannot read .*config\.json: No such file"):
        read_config(tmp_path)


def test_reading_needs_no_torch(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from pcqtool.model import directory; "
        "directory.bundled_models(); directory.read_config(Path(sys.argv[1])); "
        "sys.exit(str([m for m in ('torch', 'transformers', 'safetensors.torch') if m in sys.modules] or '') or None)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, write(tmp_path, ENTRIES)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
