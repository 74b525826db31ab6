"""``pcqtool corpora validate``: check that a copy of a corpus is complete and intact."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pcqtool.arguments import n_jobs
from pcqtool.cli.common import console, options
from pcqtool.cli.corpora.description import Name, count, print_counts
from pcqtool.errors import ExitCode
from pcqtool.json_format import JsonFormat

if TYPE_CHECKING:
    from pcqtool.corpora.faults import Fault

MAX_SHOWN = 20  # faults of each kind


def validate(
    name: Name, root: options.Root = None, jobs: options.Jobs = 0, as_json: options.Json = False
) -> ExitCode | None:
    """Check a copy of a corpus and name every fault.

    Decodes every recording. Finds recordings that are missing, extra, unreadable, altered, duplicated or mislabelled,
    times outside their file, speakers or sessions under two names, and wrong counts, as far as the published contents
    are known. The exit code is 3 if there is a fault.
    """
    from pcqtool.corpora import registry, release, roots
    from pcqtool.corpora.validation.audit import audit

    corpus = registry.corpus_class(name)
    folder = roots.find_root(corpus, root)
    with ExitStack() as stack:

        def show_progress(total: int) -> Callable[[], None]:
            return stack.enter_context(console.progress(total, "recordings")).advance

        found = audit(registry.open_corpus(name, folder), folder, n_jobs(jobs), show_progress)
    counts, published = count(found.utterances), release.expected_of(corpus)
    by_kind = Counter(fault.kind.value for fault in found.faults)
    if as_json:
        by_label, by_speaker = dict(published.by_label), dict(published.by_speaker)
        console.print_json(
            JsonFormat.VALIDATION,
            {
                "name": name,
                "root": folder,
                "sound": not found.faults,
                "hours": found.hours,
                **counts,
                "published": {"n_utterances": published.total, "by_label": by_label, "by_speaker": by_speaker},
                "n_faults": by_kind,
                "faults": [_as_json(fault, folder) for fault in found.faults],
                "notes": found.notes,
            },
        )
    else:
        of = "" if published.total is None else f" of {published.total}"
        faults = ", ".join(f"{number} {kind}" for kind, number in by_kind.items())
        console.print_fields(
            {
                "corpus": name,
                "root": folder,
                "utterances": f"{len(found.utterances)}{of}",
                "hours": f"{found.hours:.2f}",
                "faults": faults or "none",
                "notes": found.notes,
            }
        )
        if found.utterances:
            console.print_text("")
            print_counts(counts, _labels(corpus, counts), published)
        if found.faults:
            console.print_text("")
            console.print_table(("fault", "file", "what"), _rows(found.faults, folder))
    return ExitCode.SOME_FAILED if found.faults else None


def _labels(corpus: type, counts: dict[str, Any]) -> list[str]:
    from pcqtool.labels import sort_labels

    labels = getattr(corpus, "labels", None)
    return list(labels) if isinstance(labels, tuple) else list(sort_labels(counts["by_label"]))


def _rows(faults: Iterable[Fault], root: Path) -> Iterator[tuple[str, str | None, str]]:
    shown: Counter[str] = Counter()
    for fault in faults:
        shown[fault.kind] += 1
        if shown[fault.kind] <= MAX_SHOWN:
            yield fault.kind.value, _file(fault, root), fault.what
    for kind, number in shown.items():
        if number > MAX_SHOWN:
            yield str(kind), None, f"and {number - MAX_SHOWN} more: see --json"


def _as_json(fault: Fault, root: Path) -> dict[str, str | None]:
    return {"kind": fault.kind.value, "file": _file(fault, root), "what": fault.what}


def _file(fault: Fault, root: Path) -> str | None:
    """Return a fault's file, relative to the root if it is below it."""
    if fault.path is None:
        return None
    folder = (root if root.is_dir() else root.parent).absolute()
    inside = fault.path.is_relative_to(folder)
    return fault.path.relative_to(folder).as_posix() if inside else str(fault.path)
