"""``pcqtool corpora``: which corpora the tool knows, and what is in one of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pcqtool.cli import console, options
from pcqtool.cli.program import Program
from pcqtool.errors import CorpusError

if TYPE_CHECKING:
    from pcqtool.corpora.base import Corpus, Utterance
    from pcqtool.corpora.registry import Entry

MOST_SPEAKERS_SHOWN = 40

app = Program(help="Corpora for training and evaluation: list, look into.")


@app.command("list")
def list_corpora(as_json: options.Json = False) -> None:
    """List the corpora, built in and from plugins.

    A plugin that does not load is listed with its error.
    """
    from pcqtool.corpora import registry

    entries = registry.available()
    if as_json:
        console.print_json([_as_json(entry) for entry in entries])
        return
    rows = [
        (entry.name, entry.corpus.title if entry.corpus else entry.value, _origin(entry), entry.error or "ok")
        for entry in entries
    ]
    console.print_table(("name", "title", "from", "status"), rows, styles={"ok": "green"})


@app.command("info")
def info(
    name: Annotated[str, typer.Argument(metavar="NAME", help="One of the names that 'corpora list' shows.")],
    root: options.Root = None,
    label_map: options.LabelMapFile = None,
    as_json: options.Json = False,
) -> None:
    """Show a corpus: its classes, speakers, counts and licence.

    Without a folder of it, shows what is known beforehand and where to get it.
    """
    from pcqtool.corpora import registry, roots
    from pcqtool.corpora.label_map import read_map
    from pcqtool.corpora.member import open_member
    from pcqtool.corpora.sources import Source

    corpus, renaming = registry.find(name), read_map(label_map).of(name)
    try:
        place: Path | None = roots.resolve(corpus, root)
    except CorpusError as error:
        if root is not None:
            raise
        console.info(f"{error.what}\n{error.hint}")
        place = None
    member = open_member(Source(name, name, place), renaming) if place is not None else None
    about = _about(corpus, member.corpus if member is not None else None)
    counts = _counts(member.utterances) if member is not None else {}
    if member is not None and renaming:
        about["labels"] = list(member.labels)
        console.info(f"{label_map}: {', '.join(member.notes) or 'changes nothing'}")
    if as_json:
        console.print_json({**about, "root": place, **counts})
    else:
        _show(about, place, counts)


def _origin(entry: Entry) -> str:
    return "built in" if entry.built_in else f"{entry.distribution} {entry.version}"


def _as_json(entry: Entry) -> dict[str, Any]:
    about = _about(entry.corpus, None) if entry.corpus else {"name": entry.name}
    return {**about, "from": f"{entry.distribution} {entry.version}", "class": entry.value, "error": entry.error}


def _about(corpus: type[Corpus], opened: Corpus | None) -> dict[str, Any]:
    """What a corpus says of itself; its labels are null where only its files tell them."""
    labels = opened.labels if opened is not None else corpus.labels
    return {
        "name": corpus.name,
        "title": corpus.title,
        "labels": list(labels) if isinstance(labels, tuple) else None,
        "citation": corpus.citation,
        "licence": corpus.licence,
        "url": corpus.url,
    }


def _counts(utterances: Sequence[Utterance]) -> dict[str, Any]:
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


def _show(about: Mapping[str, Any], place: Path | None, counts: Mapping[str, Any]) -> None:
    labels = about["labels"]
    fields = {**about, "labels": ", ".join(labels) if labels else "those that its table names", "root": place}
    numbers = {name.removeprefix("n_"): number or None for name, number in counts.items() if name.startswith("n_")}
    console.print_fields({**fields, **numbers})
    if not counts:
        return
    by_speaker = counts["by_speaker"] if len(counts["by_speaker"]) <= MOST_SPEAKERS_SHOWN else {}
    rows = [(speaker, *_row(by_label, labels)) for speaker, by_label in by_speaker.items()]
    console.print_text("")
    console.print_table(("speaker", *labels, "all"), [*rows, ("all", *_row(counts["by_label"], labels))])


def _row(by_label: Mapping[str, int], labels: list[str]) -> list[int]:
    return [*(by_label.get(label, 0) for label in labels), sum(by_label.values())]
