from __future__ import annotations

import re

import pytest

from pcqtool.training.provenance import command_line, run_provenance


def test_a_result_says_command_data_and_day(experiment, monkeypatch):
    monkeypatch.setattr("sys.argv", ["/usr/bin/pcqtool", "evaluate", "--corpus", "emodb"])
    said = run_provenance("toy", experiment.utterances, experiment.data)
    assert said["command"] == "pcqtool evaluate --corpus emodb"
    assert said["data"] == {"corpus": "toy", "n_utterances": 36, "n_speakers": 4, "hours": 0.023}
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", said["created"])


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["evaluate", "--root", "/home/me/corpora/emodb"], "pcqtool evaluate --root emodb"),
        (["evaluate", "--root=/home/me/emodb", "-j2"], "pcqtool evaluate --root=emodb -j2"),
        (["evaluate", "--root", "mine=/home/me/calls"], "pcqtool evaluate --root mine=calls"),
        (["evaluate", "--root=mine=/home/me/calls"], "pcqtool evaluate --root=mine=calls"),
        (
            ["label", "my calls", "--encoder", "openai/whisper-base"],
            "pcqtool label 'my calls' --encoder openai/whisper-base",
        ),
        (["label", "/", "here/there"], "pcqtool label / here/there"),
    ],
)
def test_where_things_lie_is_not_told(arguments, text):
    assert command_line(arguments) == text
