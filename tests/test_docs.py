"""What the documentation shows works as it stands."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pcqtool.cli import app
from pcqtool.corpora.label_map import load_label_map
from pcqtool.labels import ALIASES, VOCABULARY
from pcqtool.tables.feature_schema import feature_files_schema, feature_segments_schema
from pcqtool.tables.schema import events_schema, files_schema, predictions_schema, segments_schema

ROOT = Path(__file__).parents[1]


def _blocks(file: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / file).read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize(("part", "schema"), [(1, files_schema(())), (2, segments_schema(())), (3, events_schema(()))])
def test_every_column_is_explained(part: int, schema: object) -> None:
    text = (ROOT / "docs/tables.md").read_text(encoding="utf-8").split("\n## ")[part]
    explained = re.findall(
        r"`(\w+)`", "".join(line.split("|")[1] for line in text.splitlines() if line.startswith("| `"))
    )
    assert [name for name in explained if name not in ("label", "confidence")] == [
        name
        for name in schema.names
        if name not in ("label", "confidence")  # type: ignore[attr-defined]
    ]


def test_every_column_of_predictions_is_explained() -> None:
    section = (ROOT / "docs/tables.md").read_text(encoding="utf-8").split("\n## Predictions")[1].split("\n## ")[0]
    cells = "".join(line.split("|")[1] for line in section.splitlines() if line.startswith("| `"))
    explained = [name for name in re.findall(r"`(\w+)", cells) if name != "uncalibrated_"]
    names = predictions_schema(()).names
    assert explained == names[names.index("retry") + 1 :]


def test_the_vocabulary_is_written_down_with_its_aliases() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.*) \|$", (ROOT / "docs/labels.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert tuple(label for label, _ in rows) == VOCABULARY
    assert {alias: label for label, cell in rows for alias in re.findall(r"`(\w+)`", cell)} == ALIASES


def test_the_label_map_of_the_docs_is_one(tmp_path: Path) -> None:
    (text,) = _blocks("docs/labels.md", "toml")
    (tmp_path / "map.toml").write_text(text, encoding="utf-8")
    found = load_label_map(tmp_path / "map.toml")
    assert found.for_corpus("ravdess")["calm"] == "neutral"
    assert found.for_corpus("emodb")["verärgert"] == "anger"


@pytest.fixture(scope="module")
def whisper_of_base_width(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Whisper encoder with random weights, six layers deep, whose frames are as wide as those of whisper-base."""
    from transformers import WhisperConfig
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    sizes = {"encoder_layers": 6, "encoder_ffn_dim": 8, "encoder_attention_heads": 8, "d_model": 512}
    directory = tmp_path_factory.mktemp("encoders") / "whisper-base"
    WhisperEncoder(WhisperConfig(**sizes)).save_pretrained(directory)
    return directory


@pytest.mark.slow
def test_page_about_features_runs(
    tmp_path: Path,
    write_wave: Callable[..., Path],
    whisper_of_base_width: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PCQTOOL_MODEL", raising=False)
    (tmp_path / "whisper-base").symlink_to(whisper_of_base_width)
    write_wave("calls/hello.wav", seconds=4.0)
    for number, name in enumerate(
        f"{speaker}a01{emotion}a" for speaker in ("03", "08", "09", "11") for emotion in "FN"
    ):
        write_wave(f"emodb/wav/{name}.wav", seed=number)
    page = (ROOT / "docs/features.md").read_text(encoding="utf-8")
    for command in re.findall(r"^pcqtool extract .*$", page, re.MULTILINE):
        program, *arguments = shlex.split(command)
        vad = [] if "--vad" in arguments else ["--vad", "off"]  # which would find no speech in noise
        assert (program, app.main([*arguments, *vad])) == ("pcqtool", 0), command
    numpy_and_torch, polars, pieces, sklearn, scores, choice = _blocks("docs/features.md", "python")
    names: dict[str, np.ndarray] = {}
    for code in (numpy_and_torch, polars, pieces):
        exec(code, names)  # noqa: S102
        assert names["frames"].shape == (2, 150, 512)
    assert len([line for line in numpy_and_torch.splitlines() if line and not line.startswith("import")]) <= 3
    exec(sklearn, names)  # noqa: S102
    capsys.readouterr()
    exec(scores, names)  # noqa: S102
    exec(choice, names)  # noqa: S102
    assert re.fullmatch(r"(WA [\d.]+%, UA [\d.]+%\n){2}", capsys.readouterr().out)


def test_columns_of_feature_tables_are_explained() -> None:
    section = (ROOT / "docs/features.md").read_text(encoding="utf-8").split("\n## The tables")[1].split("\n## ")[0]
    for kind, schema in (("files", feature_files_schema("x", 1)), ("segments", feature_segments_schema("x", (1,)))):
        (row,) = (line for line in section.splitlines() if line.startswith(f"| {kind} |"))
        assert [name.replace("<feature>", "x") for name in re.findall(r"`([\w<>]+)`", row)] == schema.names


def test_files_that_the_paper_map_names_exist() -> None:
    for path in re.findall(r"`((?:pcqtool|tests)/[\w/.]+)`", (ROOT / "docs/paper-map.md").read_text(encoding="utf-8")):
        assert (ROOT / path).exists(), path
