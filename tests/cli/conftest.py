"""Running the command line: as its users do, in a process of its own, or faster in this one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from jsonschema import ValidationError

from pcqtool.cli.app import main
from pcqtool.cli.common import console
from pcqtool.cli.common.text import json_text
from pcqtool.json_format import JsonFormat
from tests.json_schemas import check_json
from tests.toy_training import prediction_table, save_run  # noqa: F401

Run = Callable[..., "subprocess.CompletedProcess[str]"]

# A program with commands that end in every way that there is.
ENDS = """
import os, signal, sys, time
from typing import Annotated
import typer
from pcqtool.cli.common import console
from pcqtool.cli.app import app, main
from pcqtool.errors import ExitCode, LockedError
from pcqtool.json_format import JsonFormat

@app.command()
def knob(value: Annotated[int, typer.Option(envvar="PCQTOOL_JOBS")] = 1, many: list[str] = [], flag: bool = False):
    console.info("a note")
    console.debug("a detail")
    console.print_json(JsonFormat.SETTINGS, {"value": value, "many": many, "flag": flag})

@app.command()
def end(how: str):
    if how == "locked":
        raise LockedError("results.lock is held", "Wait for the other run.")
    if how == "bug":
        raise ZeroDivisionError("by zero")
    if how == "some":
        return ExitCode.SOME_FAILED
    if how == "interrupt":
        raise KeyboardInterrupt
    if how == "nap":
        try:
            console.print_text("napping")
            try:
                time.sleep(60)
            except Exception:
                console.print_text("swallowed")
        finally:
            console.print_text("tidied")
    if how == "warn":
        import warnings
        warnings.warn("old call", DeprecationWarning)

sys.exit(main())
"""


def clean_environment(**more: str) -> dict[str, str]:
    """The environment without what would change the program, such as settings of the user, and with ``more``."""
    dropped = ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "TERM")
    return {k: v for k, v in os.environ.items() if not k.startswith("PCQTOOL_") and k not in dropped} | {
        "XDG_CONFIG_HOME": os.devnull,
        **more,
    }


@pytest.fixture
def environment() -> Callable[..., dict[str, str]]:
    """Give what makes the environment of a process."""
    return clean_environment


@pytest.fixture
def pcqtool(
    pcqtool_process: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """Run ``pcqtool`` like ``pcqtool_process``, but in this process, unless Python itself is to start differently."""

    def run(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        if any(name.startswith("PYTHON") for name in env):
            return pcqtool_process(*arguments, **env)
        with monkeypatch.context() as patch:
            patch.chdir(tmp_path)
            wanted = clean_environment(**env)
            for name in os.environ.keys() - wanted:
                patch.delenv(name)
            for name, value in wanted.items():
                patch.setenv(name, value)
            capsys.readouterr()
            code = main(arguments)
        return subprocess.CompletedProcess(arguments, code, *capsys.readouterr())

    return run


@pytest.fixture
def pcqtool_process(tmp_path: Path) -> Run:
    """Run ``pcqtool`` as users do, in an empty directory with a clean environment."""

    def run(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        return _run([sys.executable, "-m", "pcqtool", *arguments], tmp_path, env)

    return run


@pytest.fixture
def ends_script(tmp_path: Path) -> Path:
    """A file with the program of ``ENDS``."""
    script = tmp_path / "ends.py"
    script.write_text(ENDS)
    return script


@pytest.fixture
def ends(ends_script: Path) -> Run:
    """Run the program of ``ENDS``."""

    def run(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        return _run([sys.executable, str(ends_script), *arguments], ends_script.parent, env)

    return run


def _run(command: list[str], folder: Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=folder, env=clean_environment(**env), timeout=120, check=False
    )
    if "--json" in command and done.stdout:
        check_json(json.loads(done.stdout))
    return done


@pytest.fixture(autouse=True)
def _usual_messages() -> None:
    console.set_level(console.Level.NORMAL)
    console.log_as("text")


@pytest.fixture(autouse=True)
def _checked_json(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Check all JSON that commands print in this process against the schemas of their formats."""
    print_json, faults = console.print_json, []

    def print_and_check(schema: JsonFormat, content: Mapping[str, object]) -> None:
        print_json(schema, content)
        try:
            check_json(json.loads(json_text({"schema": schema, **content})))
        except ValidationError as fault:
            faults.append(f"{schema}: {fault.json_path}: {fault.message}")

    monkeypatch.setattr(console, "print_json", print_and_check)
    yield
    assert not faults


@pytest.fixture
def other_root(toy_root: Path, tmp_path: Path) -> Path:
    """Copies of some of the toy corpus's files as another one, with other labels and a map for them, ``map.toml``."""
    folder = tmp_path / "other"
    for label, own in (("anger", "Fury"), ("neutral", "calm"), ("sadness", "sad")):
        for speaker in range(3):
            (folder / own / f"s{speaker}").mkdir(parents=True)
            shutil.copy(toy_root / f"{label}-{speaker}-0.wav", folder / own / f"s{speaker}" / "1.wav")
    (folder / "map.toml").write_text('[other]\nfury = "anger"\ncalm = ""\n')
    return folder


RECIPE = """
epochs = 2
batch_size = 8
n_augmented = 0
warmup_steps = 0
[network]
spectrogram_pool = [8, 4]
classifier_hidden = [8]
mlcnn_channels = [4, 8]
mlcnn_strides = [2, 2]
"""


@pytest.fixture
def toy_recipe(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Stand in an empty folder with a small recipe, ``toy.toml``, and nothing set in the environment."""
    for name in [name for name in os.environ if name.startswith("PCQTOOL_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", os.devnull)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "toy.toml").write_text(RECIPE)


@pytest.fixture
def surroundings(monkeypatch, tmp_path):
    """An empty folder, no settings from the environment, no Hub."""
    for name in [name for name in os.environ if name.startswith("PCQTOOL_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", os.devnull)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.chdir(tmp_path)
