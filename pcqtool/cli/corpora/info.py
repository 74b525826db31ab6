"""``pcqtool corpora info``: describe a corpus."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pcqtool.arguments import n_jobs
from pcqtool.cli.common import console, options
from pcqtool.cli.corpora.description import Name, corpus_fields, count, print_counts
from pcqtool.errors import CorpusError
from pcqtool.json_format import JsonFormat

if TYPE_CHECKING:
    from pcqtool.corpora.base import Utterance
    from pcqtool.corpora.release import Expected


def info(
    name: Name,
    root: options.Root = None,
    label_map: options.LabelMapFile = None,
    jobs: options.Jobs = 0,
    as_json: options.Json = False,
) -> None:
    """Show a corpus: its classes, speakers, hours, counts and licence.

    Without a copy of the corpus, shows what was published and where to get it. Durations come from the recordings'
    headers; 'pcqtool corpora validate' decodes every recording.
    """
    from pcqtool.corpora import registry, release, roots
    from pcqtool.corpora.label_map import load_label_map
    from pcqtool.corpora.pool import open_pooled_corpus
    from pcqtool.corpora.spec import CorpusSpec

    corpus, renaming = registry.corpus_class(name), load_label_map(label_map).for_corpus(name)
    try:
        folder: Path | None = roots.find_root(corpus, root)
    except CorpusError as error:
        if root is not None:
            raise
        console.explain(error.what, error.hint)
        folder = None
    published = release.expected_of(corpus)
    member = open_pooled_corpus(CorpusSpec(name, name, folder), renaming) if folder is not None else None
    about = {
        **corpus_fields(corpus, member.corpus if member is not None else None),
        "downloads": [each.url for each in release.downloads_of(corpus)],
        "n_published": published.total,
        "root": folder,
    }
    utterances = member.utterances if member is not None else ()
    counts = {**count(utterances), "hours": _hours(utterances, n_jobs(jobs))} if member is not None else {}
    if member is not None and renaming:
        about["labels"] = list(member.labels)
        console.info(f"{label_map}: {', '.join(member.label_changes) or 'no changes'}")
    if as_json:
        by_label, by_speaker = dict(published.by_label), dict(published.by_speaker)
        published_counts = {"by_label": by_label, "by_speaker": by_speaker}
        console.print_json(JsonFormat.CORPUS, {**about, **counts, "published": published_counts})
    else:
        _show(about, counts, published)


def _hours(utterances: Sequence[Utterance], n_jobs: int) -> float:
    """Return the total duration of the utterances; unreadable recordings count as 0."""
    from pcqtool.corpora.validation.audio_summary import durations_s

    paths = {each.path for each in utterances}
    with console.progress(len(paths), "headers") as progress:
        durations = durations_s(paths, n_jobs, progress.advance)
    unread = [path for path, duration_s in durations.items() if duration_s is None]
    if unread:
        what = f"{len(unread)} of {len(paths)} recordings cannot be read, first {min(unread)}"
        console.warn(f"{what}; 'pcqtool corpora validate' shows why")
    seconds = 0.0
    for each in utterances:
        duration_s = durations[each.path] or 0.0
        end_s = duration_s if each.end_s is None else min(each.end_s, duration_s)
        seconds += max(0.0, end_s - (each.start_s or 0.0))
    return seconds / 3600


def _show(about: Mapping[str, Any], counts: Mapping[str, Any], published: Expected) -> None:
    labels = about["labels"]
    allowed = {True: "allowed", False: "not allowed"}.get(about["commercial_use"])
    fields = {**about, "labels": ", ".join(labels) if labels else "listed in its table", "commercial_use": allowed}
    numbers = {key: number or None for key, number in counts.items() if key.startswith("n_")}
    hours = {"hours": f"{counts['hours']:.2f}"} if counts else {}
    shown = {key.removeprefix("n_"): value for key, value in {**fields, **numbers, **hours}.items()}
    console.print_fields(shown)
    if counts:
        console.print_text("")
        print_counts(counts, labels, published)
