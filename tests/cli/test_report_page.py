from __future__ import annotations

import json

import pytest

from pcqtool.cli import app


@pytest.fixture
def labelled(surroundings, tiny_model, write_wave, tmp_path, capsys):
    """Results of two recordings, one of which is damaged."""
    write_wave("calls/2026-01-05/1_anna.wav", seconds=7.0)
    (tmp_path / "calls" / "2026-01-05" / "2_ben.wav").write_bytes(b"RIFF")
    arguments = ["label", "calls", "--model", str(tiny_model), "--out", "r.parquet", "--vad", "off", "--jobs", "1"]
    assert app.main([*arguments, "--root", "calls"]) == 3
    capsys.readouterr()
    return tmp_path


def run(capsys, *arguments):
    code = app.main(["report", "page", *map(str, arguments)])
    found = capsys.readouterr()
    return int(code), found.out, found.err


def test_a_page_of_results(labelled, tiny_model, capsys):
    given = ["r.parquet", "--audio", "calls", "--name-pattern", "{date}/{call}_{agent}.wav", "--model", tiny_model]
    code, out, err = run(capsys, *given, "--out", "pages/r.html")
    assert (code, err) == (0, "")
    assert "pages/r.html" in out
    text = (labelled / "pages" / "r.html").read_text(encoding="utf-8")
    assert "nothing at all" in text  # what the model was trained on
    assert '"base":"../calls/"' in text
    code, out, _ = run(capsys, "r.parquet", "--embed", "--json")
    page = json.loads(out)
    assert (code, page["n_recordings"], page["has_links"]) == (0, 2, False)
    assert page["path"].endswith("report.html")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["nowhere.parquet"], 1, "no such file"),
        (["r.parquet", "--out", "r.pdf"], 2, "end in .html"),
        (["r.parquet", "--name-pattern", "calls"], 2, "fields in braces"),
        (["r.parquet", "--metadata", "none.csv"], 2, "cannot be read"),
    ],
    ids=str,
)
def test_wrong_use_is_named(labelled, capsys, arguments, code, words):
    got, out, err = run(capsys, *arguments)
    assert (got, out) == (code, "")
    assert words in err
    assert "Traceback" not in err
