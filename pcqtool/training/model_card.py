"""The model card: ``README.md`` of a model directory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pcqtool.corpora.pool import CorpusPool, PooledCorpus
from pcqtool.corpora.release import commercial_use_of
from pcqtool.model.directory import ModelConfig
from pcqtool.model.registry import DEFAULT_KIND, kind_of

UNKNOWN = "unknown"
COMMERCIAL_USE = {True: "allowed", False: "not allowed", None: UNKNOWN}

_LIMITS = """## Limits

The model can only do what its training recordings cover. Acted speech from a studio does not generalise to spontaneous
speech on the telephone, to other languages or to other emotions: test the model on your own labelled recordings before
you rely on it. It predicts how speech sounds, not what a person feels, and must not be used to decide about people.
"""


def write_card(config: ModelConfig, pool: CorpusPool, scores: Mapping[str, Any]) -> str:
    """Return the card's text: data, protocol, scores, limits, licences.

    Args:
        config: the model's configuration.
        pool: the training corpora.
        scores: the content of ``metrics.json``.
    """
    lines = [
        f"# {config.name}",
        "",
        f"Speech emotion recognition with {_network(config)}, made with pcqtool: {config.trained_on}.",
        "",
    ]
    lines += [f"- Classes: {', '.join(config.labels)}", *(f"- Corpus: {_corpus(each)}" for each in pool.members)]
    lines += [f"- Temperature: {config.temperature:.3f}; aggregation of segments: `{config.aggregation}`", ""]
    again = bool(config.provenance.get("recipe", {}).get("refit"))
    lines += ["## Scores", "", *_scores(scores, again), "", _LIMITS]
    lines += ["## Licences", "", f"This model: {config.license or UNKNOWN}.", "", _weights(config), ""]
    return "\n".join([*lines, *_licences(pool), ""])


def _network(config: ModelConfig) -> str:
    """Name the network; one of a plugin with the distributions that have to be installed."""
    network = "PCQ" if (kind := kind_of(config.network)) == DEFAULT_KIND else f"the network `{kind}`"
    plugins = " ".join(str(plugin) for plugin in config.plugins)
    return f"{network} (`pip install {plugins}`)" if plugins else network


def _corpus(member: PooledCorpus) -> str:
    """Return the number of used utterances of a corpus, and the changes of its labels."""
    notes = f" ({', '.join(member.label_changes)})" if member.label_changes else ""
    return f"{member.title}, {len(member.utterances)} utterances{notes}"


def _licences(pool: CorpusPool) -> Iterator[str]:
    """Yield the table of the corpora's licences."""
    yield from ("| corpus | licence | commercial use | publication |", "| --- | --- | --- | --- |")
    for member in pool.members:
        corpus, allowed = member.corpus, commercial_use_of(member.corpus)
        cells = (member.title, corpus.licence or UNKNOWN, COMMERCIAL_USE[allowed], corpus.citation)
        yield f"| {' | '.join(' '.join(cell.split()).replace('|', chr(92) + '|') for cell in cells)} |"


def _scores(scores: Mapping[str, Any], again: bool) -> list[str]:
    validation = scores["validation"]
    then = (
        ["", "The model was then trained again with these files included, for the same number of epochs."]
        if again
        else []
    )
    return [
        f"On {validation['n']} validation files of {', '.join(scores['validation_speakers'])}, which also determined "
        f"when to stop: WA {100 * validation['wa']:.1f}, UA {100 * validation['ua']:.1f}. This is not a test; "
        "`pcqtool evaluate --protocol loso` gives honest figures for the recipe.",
        *then,
    ]


def _weights(config: ModelConfig) -> str:
    """Describe the origin of the weights."""
    encoder, teacher = config.provenance.get("encoder"), config.provenance.get("teacher")
    if config.encoder_source is not None:
        whose = (
            "All weights in this directory were trained from random values. It does not contain the frozen speech "
            f"encoder, {config.encoder_source.name}, which is identified by a hash of its tensors and has its own "
            "licence."
        )
    elif encoder:
        whose = f"The speech encoder was initialised with the weights of {encoder}, whose licence applies to it."
    else:
        whose = "All weights were trained from random values; the model contains no weights of another model."
    return f"{whose} Its teacher was {teacher}." if teacher else whose
