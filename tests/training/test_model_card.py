from __future__ import annotations

import pytest

from pcqtool.model.directory import EncoderRef, ModelConfig
from pcqtool.training.model_card import write_card

SCORES = {"validation": {"n": 9, "wa": 0.5, "ua": 0.625}, "validation_speakers": ["s1", "s2"]}


@pytest.mark.parametrize(
    ("provenance", "said", "unsaid"),
    [
        ({}, "All weights were trained from random values", "teacher"),
        ({"encoder": None, "teacher": "whisper-x"}, "Its teacher was whisper-x", "initialised with"),
        (
            {"encoder": "wavlm-x", "teacher": None},
            "initialised with the weights of wavlm-x, whose licence",
            "random values",
        ),
    ],
)
def test_the_card_says_whose_weights_these_are(pool_of, provenance, said, unsaid):
    config = ModelConfig("m", ("anger", "neutral"), {}, 1.2345, "duration", "trained on X", provenance)
    card = write_card(config, pool_of("manifest", []), SCORES)
    assert said in card
    assert unsaid not in card
    for part in ("# m\n", "trained on X.", "anger, neutral", "1.234", "`duration`"):
        assert part in card
    assert "On 9 validation files of s1, s2" in card
    assert "WA 50.0, UA 62.5. This is not a test" in card
    assert "must not be used to decide about people" in card


def test_refitting_is_told(pool_of):
    again = ModelConfig("m", ("anger", "neutral"), {}, provenance={"recipe": {"refit": True}})
    assert "trained again with these files included" in write_card(again, pool_of("manifest", []), SCORES)


def test_an_encoder_that_is_not_there_is_named_with_its_licence(pool_of):
    source = EncoderRef("some/whisper", "0" * 64)
    config = ModelConfig("m", ("anger", "neutral"), {}, provenance={"encoder": "whisper"}, encoder_source=source)
    card = write_card(config, pool_of("manifest", []), SCORES)
    assert "some/whisper, which is identified by a hash of its tensors and has its own licence" in card
    assert "initialised with the weights of" not in card
