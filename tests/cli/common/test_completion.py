from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest

from pcqtool.cli.common import completion
from tests.toy_results import file_row, write_result

SHELL = """
import sys
from pcqtool.cli.app import main
try:
    code = main()
except SystemExit as end:
    code = end.code
sys.exit("loaded torch" if "torch" in sys.modules else code)
"""


@pytest.mark.parametrize(
    ("complete", "typed", "values"),
    [
        (completion.models, "pcq-m", ["pcq-mini", "pcq-mini-emodb"]),
        (completion.corpora, "emod", ["emodb"]),
        (completion.recipes, "min", ["mini", "mini-emodb"]),
        (completion.protocols, "lo", ["loso"]),
        (completion.labels, "s", ["sadness", "sleepiness", "surprise"]),
        (completion.channels, "", ["0", "1", "auto", "mix", "split"]),
        (completion.devices, "cuda", ["cuda", "cuda:all"]),
        (completion.corpora, "no such beginning", []),
    ],
)
def test_names_with_the_typed_beginning(complete, typed, values):
    assert complete(typed) == values


def test_recordings_of_the_table_that_has_been_typed(tmp_path):
    path = write_result(tmp_path / "r.parquet", [file_row(name) for name in ("a/1.wav", "a/2.wav", "b.wav")])

    def complete(result, typed):
        return completion.recordings(SimpleNamespace(params={"result": result}), typed)

    assert complete(path, "a/") == ["a/1.wav", "a/2.wav"]
    assert complete(str(path), "c") == []
    path.write_bytes(b"no table")
    for result in (path, tmp_path / "nowhere", None):
        assert complete(result, "") == []


@pytest.mark.parametrize(
    ("typed", "values"),
    [
        ("pcqtool label --model pcq-m", ["pcq-mini", "pcq-mini-emodb"]),
        ("pcqtool label --vad ", ["on", "off"]),
        ("pcqtool label --aggregation mean", ["mean-log", "mean"]),
        ("pcqtool clips --label ang", ["anger"]),
        ("pcqtool train --corpus emod", ["emodb"]),
        ("pcqtool train --recipe min", ["mini", "mini-emodb"]),
        ("pcqtool evaluate --protocol lo", ["loso"]),
        ("pcqtool corpora info emod", ["emodb"]),
        ("pcqtool recipes show min", ["mini", "mini-emodb"]),
        ("pcqtool recip", ["recipes"]),
        ("pcqtool config show lab", ["label"]),
        ("pcqtool config show corpora fet", ["fetch"]),
    ],
)
def test_bash_completes_values_without_torch(environment, typed, values):
    words = typed.split(" ")
    done = subprocess.run(
        [sys.executable, "-c", SHELL],
        env=environment(_PCQTOOL_COMPLETE="complete_bash", COMP_WORDS="\n".join(words), COMP_CWORD=str(len(words) - 1)),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == values
