"""What the documentation shows works as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pcqtool.corpora.conformance import fault
from pcqtool.corpora.label_map import read_map
from pcqtool.labels import ALIASES, VOCABULARY
from pcqtool.tables.schema import files_schema, predictions_schema, segments_schema

ROOT = Path(__file__).parents[1]


def _blocks(file: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / file).read_text(encoding="utf-8"), re.DOTALL)


def test_plugin_of_the_readme_is_a_corpus(tmp_path: Path) -> None:
    (code,) = _blocks("plugins/README.md", "python")
    names: dict[str, type] = {}
    exec(code, names)  # noqa: S102
    assert fault(names["Mine"], "mine") is None
    for name in ("anna_angry_1.wav", "bert_neutral_1.wav"):
        (tmp_path / name).touch()
    listed = names["Mine"](tmp_path).utterances()
    assert [(each.speaker, each.label) for each in listed] == [("anna", "anger"), ("bert", "neutral")]


@pytest.mark.parametrize(("part", "schema"), [(1, files_schema(())), (2, segments_schema(()))])
def test_every_column_is_explained(part: int, schema: object) -> None:
    text = (ROOT / "docs/tables.md").read_text(encoding="utf-8").split("\n## ")[part]
    explained = re.findall(
        r"`(\w+)`", "".join(line.split("|")[1] for line in text.splitlines() if line.startswith("| `"))
    )
    assert [name for name in explained if name not in ("prob_", "label", "confidence")] == [
        name
        for name in schema.names
        if name not in ("label", "confidence")  # type: ignore[attr-defined]
    ]


def test_every_column_of_predictions_is_explained() -> None:
    section = (ROOT / "docs/tables.md").read_text(encoding="utf-8").split("\n## Predictions")[1].split("\n## ")[0]
    cells = "".join(line.split("|")[1] for line in section.splitlines() if line.startswith("| `"))
    explained = [name for name in re.findall(r"`(\w+)", cells) if name != "uncalibrated_"]
    assert explained == predictions_schema(()).names[len(files_schema(())) :]


def test_the_vocabulary_is_written_down_with_its_aliases() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.*) \|$", (ROOT / "docs/labels.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert tuple(label for label, _ in rows) == VOCABULARY
    assert {alias: label for label, cell in rows for alias in re.findall(r"`(\w+)`", cell)} == ALIASES


def test_the_label_map_of_the_docs_is_one(tmp_path: Path) -> None:
    (text,) = _blocks("docs/labels.md", "toml")
    (tmp_path / "map.toml").write_text(text, encoding="utf-8")
    found = read_map(tmp_path / "map.toml")
    assert found.of("ravdess")["calm"] == "neutral"
    assert found.of("emodb")["verärgert"] == "anger"


def test_files_that_the_paper_map_names_exist() -> None:
    for path in re.findall(r"`((?:pcqtool|tests)/[\w/.]+)`", (ROOT / "docs/paper-map.md").read_text(encoding="utf-8")):
        assert (ROOT / path).exists(), path


@pytest.mark.parametrize(
    "file",
    [
        *sorted(path.name for path in ROOT.glob("*.md")),
        "docs/evaluation.md",
        "docs/labels.md",
        "docs/manifest.md",
        "docs/models.md",
        "docs/plugins.md",
        "docs/tables.md",
        "docs/training.md",
    ],
)
def test_links_lead_somewhere(file: str) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", (ROOT / file).read_text(encoding="utf-8")):
        if "://" not in target:
            assert (ROOT / file).parent.joinpath(target).exists(), target
