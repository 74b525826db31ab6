from __future__ import annotations

import pytest

from pcqtool.model.directory import ModelConfig
from pcqtool.training.card import write_card

SCORES = {"validation": {"n": 9, "wa": 0.5, "ua": 0.625}, "validation_speakers": ["s1", "s2"]}


@pytest.mark.parametrize(
    ("provenance", "said", "unsaid"),
    [
        ({}, "All weights began at random", "teacher"),
        ({"encoder": None, "teacher": "whisper-x"}, "whisper-x was its teacher", "began with"),
        ({"encoder": "wavlm-x", "teacher": None}, "began with the weights of wavlm-x, whose licence", "at random"),
    ],
)
def test_the_card_says_whose_weights_these_are(provenance, said, unsaid):
    config = ModelConfig("m", ("anger", "neutral"), {}, 1.2345, "duration", "trained on X", provenance)
    card = write_card(config, ["X", "Y"], ["X: free", "Y: not free"], SCORES)
    assert said in card
    assert unsaid not in card
    for part in ("# m\n", "trained on X.", "anger, neutral", "X; Y", "1.234", "`duration`", "- X: free\n- Y: not free"):
        assert part in card
    assert "On 9 validation files of s1, s2" in card
    assert "WA 50.0, UA 62.5. This is no test" in card
    assert "must not be used to decide about people" in card
