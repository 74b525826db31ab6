from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from benchmarks.calls import FORMS, RATE, audio_s_of, write_calls
from benchmarks.commands import Command, make_commands, write_section
from benchmarks.processes import run


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    folder = tmp_path / "corpus"
    folder.mkdir()
    t = np.arange(32000) / 16000
    for number in range(3):
        soundfile.write(folder / f"{number}.wav", 0.3 * np.sin(2 * np.pi * (200 + 100 * number) * t), 16000)
    return folder


@pytest.mark.parametrize("form", FORMS)
def test_calls_take_turns_on_two_channels(corpus: Path, tmp_path: Path, form: str) -> None:
    write_calls(corpus, tmp_path / "calls", form, hours=1 / 12)
    (path,) = (tmp_path / "calls").iterdir()
    samples, rate = soundfile.read(path)
    assert (rate, samples.shape[1]) == (RATE, 2)
    assert audio_s_of(tmp_path / "calls") == pytest.approx(300.0, abs=0.2)
    loud = np.abs(samples[: 60 * RATE]).reshape(60 * 10, -1, 2).max(axis=1) > 0.1
    assert 0.2 < loud[:, 0].mean() < 0.8
    assert 0.2 < loud[:, 1].mean() < 0.8
    assert not loud.all(axis=1).any(), "nobody interrupts"


def test_commands_are_complete_and_run(corpus: Path, tmp_path: Path) -> None:
    found = make_commands(corpus, 0.0, tmp_path)
    names = ["openSMILE ComParE", "label --vad off", "label", "label --runtime torch", "label, one file of 2 s"]
    assert [command.name for command in found] == names
    assert [command.audio_s for command in found] == [6.0, 6.0, 6.0, 6.0, 2.0]
    assert run(found[-1].words) > 0.1
    assert (tmp_path / "results.parquet").exists()


def test_the_page_compares_with_opensmile_and_has_costs(monkeypatch) -> None:
    opensmile, label = (
        Command("openSMILE", (), 60.0, [2.0, 4.0, 3.0], 300.0),
        Command("label", (), 60.0, [1.0, 1.5], 200.4),
    )
    monkeypatch.setattr("benchmarks.commands.n_cores", lambda: 2)
    section = write_section([opensmile, label], price_usd=0.1)
    assert "| openSMILE | 3.00 (2.00 to 4.00) | 20 | 1.00 | 300 | 100.0 | 10.00 |" in section
    assert "| label | 1.25 (1.00 to 1.50) | 48 | 2.40 | 200 | 41.7 | 4.17 |" in section
