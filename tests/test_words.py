"""The project's English and its names: patterns that readers stumble over must not come back."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted(
    path
    for folder in ("pcqtool", "plugins", "benchmarks")
    for path in (ROOT / folder).rglob("*.py")
    if "tests" not in path.parts
)

FIRST_WORDS = ("Give", "Say", "Tell", "What", "Whatever", "Those", "That")
PHRASES = {
    "hear": r"\b[Hh]ea(r|rs|rd|ring)\b",
    "judge": r"\b[Jj]udg(e|es|ed|ing|ement|ements)\b",
    "lie": r"\b(lie|lies)\b",
    "anew": r"\banew\b",
    "is no X": r"(?<![Tt]here )\b(is|are|was) no [a-z]",
}
NAMES = {
    *(
        "Batches",
        "Course",
        "Elsewhere",
        "Fitting",
        "IsolatedTracks",
        "Judged",
        "Judgement",
        "Lane",
        "Moments",
    ),
    *(
        "OfEncoder",
        "OfModel",
        "Places",
        "Promise",
        "Quota",
        "Replicas",
        "Stamp",
        "Tally",
        "Tracks",
        "Trainings",
    ),
    *("apply_model", "hear", "hear_teacher", "heard", "judge", "judged", "learnt", "lesson", "n_heard", "n_taken"),
    *("n_views", "name_encoder", "own_names", "particular", "perceive", "quicken", "said", "spare", "teach", "told"),
}


def _texts(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the comments and strings of a file, each with its line."""
    for token in tokenize.generate_tokens(io.StringIO(path.read_text(encoding="utf-8")).readline):
        if token.type in (tokenize.COMMENT, tokenize.STRING) or tokenize.tok_name[token.type] == "FSTRING_MIDDLE":
            yield token.start[0], token.string


def _docstrings(path: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and (text := ast.get_docstring(node)):
            yield getattr(node, "lineno", 1), text


def _found(pattern: str, files: list[Path]) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}:{line}: {match[0]!r}"
        for path in files
        for line, text in _texts(path)
        for match in re.finditer(pattern, text)
    ]


def test_the_patterns_find_what_they_are_for(tmp_path):
    path = tmp_path / "bad.py"
    path.write_text('"""Give a thing."""\n\ntold = "it is no file"  # lies here, judged anew as it was heard\n')
    assert [text for _, text in _texts(path)][1] == '"it is no file"'
    assert all(any(re.search(pattern, text) for _, text in _texts(path)) for pattern in PHRASES.values())
    assert next(_docstrings(path))[1].startswith(FIRST_WORDS)


def test_docstrings_begin_with_what_the_code_does():
    assert [
        f"{path.relative_to(ROOT)}:{line}: {text[:40]}"
        for path in FILES
        for line, text in _docstrings(path)
        if text.split()[0] in FIRST_WORDS
    ] == []


@pytest.mark.parametrize("phrase", PHRASES)
def test_phrases_that_readers_stumble_over(phrase):
    assert _found(PHRASES[phrase], FILES) == []


def test_names_are_the_fields_own():
    assert [
        f"{path.relative_to(ROOT)}:{token.start[0]}: {token.string}"
        for path in FILES
        for token in tokenize.generate_tokens(io.StringIO(path.read_text(encoding="utf-8")).readline)
        if token.type == tokenize.NAME and token.string in NAMES
    ] == []


def test_no_two_classes_have_one_name():
    homes: dict[str, list[str]] = {}
    for path in FILES:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes.setdefault(node.name, []).append(str(path.relative_to(ROOT)))
    assert len(homes) > 100
    assert {name: files for name, files in homes.items() if len(files) > 1} == {}
