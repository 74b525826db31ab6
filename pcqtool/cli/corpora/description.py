"""Output that the commands on corpora share: a corpus's description, and counts by class and speaker."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pcqtool.cli.common import completion, console

if TYPE_CHECKING:
    from pcqtool.corpora.base import Corpus, Utterance
    from pcqtool.corpora.release import Expected

MAX_SPEAKERS_SHOWN = 40

Name = Annotated[
    str,
    typer.Argument(metavar="NAME", help="A corpus of 'pcqtool corpora list'.", autocompletion=completion.corpora),
]


def corpus_fields(corpus: type[Corpus], opened: Corpus | None = None) -> dict[str, Any]:
    """Return a corpus's description; its labels are null if only its files state them."""
    from pcqtool.corpora.release import commercial_use_of

    labels = opened.labels if opened is not None else corpus.labels
    return {
        "name": corpus.name,
        "title": corpus.title,
        "labels": list(labels) if isinstance(labels, tuple) else None,
        "citation": corpus.citation,
        "licence": corpus.licence,
        "commercial_use": commercial_use_of(corpus),
        "url": corpus.url,
    }


def count(utterances: Sequence[Utterance]) -> dict[str, Any]:
    """Count utterances, files, speakers, sessions and texts, and utterances by class and speaker."""
    by_speaker: dict[str, Counter[str]] = {}
    for utterance in utterances:
        by_speaker.setdefault(utterance.speaker or "unknown", Counter())[utterance.label] += 1
    return {
        "n_utterances": len(utterances),
        "n_files": len({utterance.path for utterance in utterances}),
        "n_speakers": len({utterance.speaker for utterance in utterances} - {None}),
        "n_sessions": len({utterance.session for utterance in utterances} - {None}),
        "n_texts": len({utterance.text_id for utterance in utterances} - {None}),
        "by_label": dict(Counter(utterance.label for utterance in utterances)),
        "by_speaker": {speaker: dict(by_speaker[speaker]) for speaker in sorted(by_speaker)},
    }


def print_counts(counts: Mapping[str, Any], labels: Sequence[str], published: Expected) -> None:
    """Print the number of utterances by speaker and class, beside the published numbers."""
    labels = [*labels, *sorted(counts["by_label"].keys() - set(labels))]
    columns = ["speaker", *labels, "all"]
    rows = []
    by_speaker = counts["by_speaker"] if len(counts["by_speaker"]) <= MAX_SPEAKERS_SHOWN else {}
    for speaker in sorted({*by_speaker, *(published.by_speaker if by_speaker else ())}):
        by_label = by_speaker.get(speaker, {})
        rows.append([speaker, *(by_label.get(label, 0) for label in labels), sum(by_label.values())])
    rows.append(["all", *(counts["by_label"].get(label, 0) for label in labels), counts["n_utterances"]])
    if published.by_label:
        rows.append(["published", *(published.by_label.get(label, 0) for label in labels), published.total])
    if published.by_speaker and by_speaker:
        columns.append("published")
        totals = {"all": published.total, "published": published.total}
        rows = [[*row, {**published.by_speaker, **totals}.get(row[0], 0)] for row in rows]
    console.print_table(columns, rows)
