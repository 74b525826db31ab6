"""The model card, ``README.md`` of a model directory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pcqtool.corpora.pool import CorpusPool, PooledCorpus
from pcqtool.model.directory import ModelConfig

_LIMITS = """## Limits

The recordings it has learnt from decide what it can do. Acted speech from a studio does not carry over to spontaneous
speech on the telephone, to other languages or to other emotions; measure it on labelled recordings of your own before
you rely on it. It judges how speech sounds, not what somebody feels, and must not be used to decide about people.
"""


def write_card(config: ModelConfig, pool: CorpusPool, scores: Mapping[str, Any]) -> str:
    """Write the card: data, protocol, scores, limits, licences.

    Args:
        config: the model's.
        pool: the corpora it was trained on.
        scores: what goes into ``metrics.json``.
    """
    lines = [f"# {config.name}", "", f"Speech emotion recognition by PCQ, made with pcqtool: {config.trained_on}.", ""]
    lines += [f"- Classes: {', '.join(config.labels)}", *(f"- Corpus: {_corpus(each)}" for each in pool.members)]
    lines += [f"- Temperature: {config.temperature:.3f}; from segments to file by `{config.aggregation}`", ""]
    again = bool(config.provenance.get("recipe", {}).get("refit"))
    lines += ["## Scores", "", *_scores(scores, again), "", _LIMITS]
    lines += ["## Licences", "", _origin(config), "", *(f"- {_licence(each)}" for each in pool.members), ""]
    return "\n".join(lines)


def _corpus(member: PooledCorpus) -> str:
    """Say how much of a corpus was used, and what became of its labels."""
    notes = f" ({', '.join(member.label_changes)})" if member.label_changes else ""
    return f"{member.title}, {len(member.utterances)} utterances{notes}"


def _licence(member: PooledCorpus) -> str:
    return f"{member.title}: {member.corpus.licence} {member.corpus.citation}".rstrip(": ")


def _scores(scores: Mapping[str, Any], again: bool) -> list[str]:
    validation = scores["validation"]
    then = ["", "The model was then trained anew on these files too, for as many epochs."] if again else []
    return [
        f"On {validation['n']} validation files of {', '.join(scores['validation_speakers'])}, which also decided when "
        f"to stop: WA {100 * validation['wa']:.1f}, UA {100 * validation['ua']:.1f}. This is no test; "
        "`pcqtool evaluate --protocol loso` gives honest figures for the recipe.",
        *then,
    ]


def _origin(config: ModelConfig) -> str:
    """Say whose weights these are."""
    encoder, teacher = config.provenance.get("encoder"), config.provenance.get("teacher")
    if config.encoder_source is not None:
        whose = (
            "All weights in this directory began at random. The frozen speech encoder is not in it: it is "
            f"{config.encoder_source.name}, known by a hash of its tensors, and its own licence holds for it."
        )
    elif encoder:
        whose = f"The speech encoder began with the weights of {encoder}, whose licence holds for it."
    else:
        whose = "All weights began at random: none of another model's are in it."
    return f"{whose} {teacher} was its teacher." if teacher else whose
