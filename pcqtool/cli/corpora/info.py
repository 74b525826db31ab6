"""``pcqtool corpora info``: what is in a corpus."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pcqtool.cli.common import console, options, values
from pcqtool.cli.corpora.about import Name, count, describe, print_counts
from pcqtool.errors import CorpusError

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

    Without a folder of it, shows what is known beforehand and where to get it. The recordings' headers are read for
    their lengths; 'pcqtool corpora validate' reads all of them.
    """
    from pcqtool.corpora import registry, release, roots
    from pcqtool.corpora.label_map import read_map
    from pcqtool.corpora.member import open_member
    from pcqtool.corpora.sources import CorpusSpec

    corpus, renaming = registry.find(name), read_map(label_map).of(name)
    try:
        place: Path | None = roots.resolve(corpus, root)
    except CorpusError as error:
        if root is not None:
            raise
        console.explain(error.what, error.hint)
        place = None
    published = release.expected_of(corpus)
    member = open_member(CorpusSpec(name, name, place), renaming) if place is not None else None
    about = {
        **describe(corpus, member.corpus if member is not None else None),
        "downloads": [each.url for each in release.downloads_of(corpus)],
        "n_published": published.total,
        "root": place,
    }
    utterances = member.utterances if member is not None else ()
    counts = {**count(utterances), "hours": _hours(utterances, values.n_jobs(jobs))} if member is not None else {}
    if member is not None and renaming:
        about["labels"] = list(member.labels)
        console.info(f"{label_map}: {', '.join(member.notes) or 'changes nothing'}")
    if as_json:
        by_label, by_speaker = dict(published.by_label), dict(published.by_speaker)
        console.print_json({**about, **counts, "published": {"by_label": by_label, "by_speaker": by_speaker}})
    else:
        _show(about, counts, published)


def _hours(utterances: Sequence[Utterance], n_jobs: int) -> float:
    """Add up the utterances' lengths; a recording that cannot be read has none."""
    from pcqtool.corpora.validation.contents import lengths_s

    paths = {each.path for each in utterances}
    with console.progress(len(paths), "headers") as progress:
        lengths = lengths_s(paths, n_jobs, progress.advance)
    unread = [path for path, length_s in lengths.items() if length_s is None]
    if unread:
        what = f"{len(unread)} of {len(paths)} recordings cannot be read, first {min(unread)}"
        console.warn(f"{what}; 'pcqtool corpora validate' says why")
    seconds = 0.0
    for each in utterances:
        length_s = lengths[each.path] or 0.0
        end_s = length_s if each.end_s is None else min(each.end_s, length_s)
        seconds += max(0.0, end_s - (each.start_s or 0.0))
    return seconds / 3600


def _show(about: Mapping[str, Any], counts: Mapping[str, Any], published: Expected) -> None:
    labels = about["labels"]
    fields = {
        **about,
        "labels": ", ".join(labels) if labels else "those that its table names",
        "downloads": about["downloads"],
    }
    numbers = {key: number or None for key, number in counts.items() if key.startswith("n_")}
    hours = {"hours": f"{counts['hours']:.2f}"} if counts else {}
    shown = {key.removeprefix("n_"): value for key, value in {**fields, **numbers, **hours}.items()}
    console.print_fields(shown)
    if counts:
        console.print_text("")
        print_counts(counts, labels, published)
