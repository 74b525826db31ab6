"""The tutorials, done as they say: their command lines and their Python run in the process.

Substitutions, so that it takes seconds:

- EMO-DB is a small corpus of hums with EMO-DB's names; ``fetch`` and ``export`` are left out, and ``validate`` ends
  with 3, because most of the corpus is missing.
- The researcher's recipes train for one epoch, and their networks are smaller.
- The analyst trains on labelled hums with a tiny recipe, since three clips train nobody.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest

from pcqtool.cli import app
from tests.cli.conftest import RECIPE
from tests.installed_plugins import install  # noqa: F401
from tests.toy_training import one_thread  # noqa: F401

ROOT = Path(__file__).parents[2]
TUTORIALS = ROOT / "docs" / "tutorials"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
SMALLER = {"epochs = 12": "epochs = 1", "[network]": "[network]\nmlcnn_channels = [4, 8]\nmlcnn_strides = [2, 2]"}
LEFT_OUT = ("export ", "pcqtool corpora fetch ")


def blocks(tutorial: str) -> list[tuple[str, str]]:
    return BLOCK.findall((TUTORIALS / f"{tutorial}.md").read_text("utf-8"))


def commands(tutorial: str) -> Iterator[list[str]]:
    """Yield the command lines that are run, without the program's name."""
    for language, text in blocks(tutorial):
        for line in text.splitlines():
            if language == "" and not line.startswith(LEFT_OUT):
                program, *arguments = shlex.split(line)
                assert program == "pcqtool", line
                yield arguments


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with the example recordings, and no settings from outside."""
    for name in [name for name in os.environ if name.startswith("PCQTOOL_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", os.devnull)
    monkeypatch.setenv("PCQTOOL_CACHE", str(tmp_path / "cache"))
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
def test_analyst(clone: Path, toy_root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (clone / "tiny.toml").write_text(RECIPE)
    (correction,) = [text for language, text in blocks("analyst") if language == "python"]
    printed = ""
    for arguments in commands("analyst"):
        if arguments[0] == "train":
            arguments[arguments.index("clips")] = str(toy_root)
            arguments += ["--recipe", "tiny.toml", "--jobs", "1"]
        code = app.main(arguments)
        broken = arguments[0] == "label"  # one of the examples is broken on purpose
        printed += capsys.readouterr().out
        assert code == (3 if broken else 0), (arguments, printed)
        if arguments[0] == "clips":
            exec(correction, {})  # noqa: S102
            assert "disgust" not in pl.read_csv("clips/metadata.csv")["label"]
    for line in ("8 labelled", "0 labelled, 8 done before", "8 files: ok 7, failed 1, no_speech 1"):
        assert line in printed
        assert line in (TUTORIALS / "analyst.md").read_text("utf-8")
    for made in ("report.html", "calls.csv", "calls.prom", "mine.parquet", "nights.parquet"):
        assert (clone / made).is_file(), made


@pytest.mark.slow
def test_researcher(
    clone: Path, toy_root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _lay_out_emodb(toy_root, clone / "corpora" / "emodb" / "wav")
    monkeypatch.setenv("PCQTOOL_CORPORA", str(clone / "corpora"))
    (clone / "mine").symlink_to(toy_root)
    for language, text in blocks("researcher"):
        if language == "toml":
            name = text.splitlines()[0].removeprefix("# ")
            for there, instead in SMALLER.items():
                assert there in text
                text = text.replace(there, instead)
            (clone / name).write_text(text)
    for arguments in commands("researcher"):
        code = app.main([*arguments, *(["--jobs", "1"] if arguments[0] in ("evaluate", "train") else [])])
        incomplete = arguments[:2] == ["corpora", "validate"]
        assert code == (3 if incomplete else 0), (arguments, capsys.readouterr().err)
    assert "\\toprule" in (clone / "table.tex").read_text()
    for made in ("confusion.svg", "confusion.tex", "reliability.svg", "runs/mine/metrics.json"):
        assert (clone / made).is_file(), made


@pytest.mark.slow
def test_developer(clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, object] = {}
    for language, text in blocks("developer"):
        if language == "python":
            exec(text, names)  # noqa: S102
    printed = capsys.readouterr().out
    assert "was made with other settings" in printed
    assert "corrupt.wav" in printed
    assert "1 of 1 files" in printed


@pytest.mark.slow
def test_network(
    clone: Path,
    toy_root: Path,
    install: Callable[..., None],  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """``pip`` and ``pytest`` are left out: the plugin's metadata is put in place, and its test is called."""
    _lay_out_emodb(toy_root, clone / "corpora" / "emodb" / "wav")
    monkeypatch.setenv("PCQTOOL_CORPORA", str(clone / "corpora"))
    files: dict[str, str] = {}
    for language, text in blocks("network"):
        if language in ("python", "toml"):
            name = text.splitlines()[0].removeprefix("# ")
            files[name] = files.get(name, "") + text
    for name in ("mine.toml", "bands.toml"):
        text = files[name].replace("epochs = 12", "epochs = 1\nn_augmented = 0\ncalibration = 'validation'")
        (clone / name).write_text(text.replace("encoder = {", "mlcnn_channels = [4, 8]\nencoder = {"))
    points = tomllib.loads(files["tiny/pyproject.toml"])["project"]
    # Another process would import torch first, which takes seconds.
    monkeypatch.setattr("pcqtool.plugins.registry.load_problems", lambda found, *options: [None] * len(found))
    install(points["name"], points["entry-points"], files["tiny/tiny_ser.py"], points["version"])
    tests: dict[str, Any] = {}
    exec(files["tiny/test_tiny_ser.py"], tests)  # noqa: S102
    tests["test_plugin"]()
    for arguments in commands("network"):
        code = app.main([*arguments, *(["--jobs", "1"] if arguments[0] in ("evaluate", "train", "sweep") else [])])
        captured = capsys.readouterr()
        broken = arguments[0] == "label"  # one of the examples is broken on purpose
        assert code == (3 if broken else 0), (arguments, captured.err)
        if arguments == ["models", "kinds"]:
            (listed,) = [text for language, text in blocks("network") if language == "text"]
            rows = [line.split() for line in captured.out.splitlines()]
            assert all(line.split() in rows for line in listed.splitlines())
    settings = pq.read_schema("calls.parquet").metadata[b"pcqtool"]
    assert b'"plugins": ["tiny-ser==0.1.0"]' in settings
    code_lines = [line for text in files.values() for line in text.splitlines() if line and not line.startswith("#")]
    assert len(code_lines) <= 60


def _lay_out_emodb(toy_root: Path, folder: Path) -> None:
    """Copy the toy corpus's shortest hums under names of EMO-DB: three speakers, three emotions, one take."""
    folder.mkdir(parents=True)
    for number, speaker in enumerate(("03", "08", "09")):
        for label, letter in (("anger", "W"), ("neutral", "N"), ("sadness", "T")):
            shutil.copy(toy_root / f"{label}-{number}-0.wav", folder / f"{speaker}a01{letter}a.wav")
