"""``pcqtool corpora fetch``: a public corpus from its official address."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from pcqtool.cli.common import console, options
from pcqtool.cli.corpora.about import Name
from pcqtool.errors import CorpusError

MB = 1_000_000


def fetch(
    name: Name,
    root: Annotated[
        Path | None,
        typer.Option(
            "--root", metavar="DIR", help="Where it shall lie. Without it: the folder of its name in PCQTOOL_CORPORA."
        ),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-host",
            metavar="HOST",
            help="Let the official address lead to this host too, over https. May be given more than once.",
        ),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Download a public corpus from its official address.

    What was broken off goes on when it is run again. Each file is held against the checksum that its publisher gives;
    where there is none, against that of the first time. For a corpus that is not public, says where to apply.
    """
    from pcqtool.corpora import registry, release, roots
    from pcqtool.corpora.download.fetch import apply, fetch

    corpus = registry.find(name)
    if not release.downloads_of(corpus):
        raise CorpusError(f"corpus {name!r} cannot be downloaded by a program", apply(corpus, root))
    place = roots.destination(corpus, root)
    done = fetch(corpus, place, _watch, console.info, hosts=allow_host or ())
    if as_json:
        console.print_json({"name": name, "root": place, "files": done})
        return
    if not done:
        console.info("it is there already: nothing is downloaded")
    for file in done:
        if file.checked_by == "nothing":
            console.warn(
                f"{file.url} has no published checksum: its sha256 {file.sha256} is kept, and compared the next time"
            )
    at = "" if root is None else f" --root {root}"
    console.print_fields(
        {
            "corpus": name,
            "root": place,
            "files": [f"{each.url}, {each.size_bytes / MB:,.1f} MB" for each in done],
            "licence": corpus.licence,
            "citation": corpus.citation,
            "next": f"pcqtool corpora validate {name}{at}",
        }
    )


@contextmanager
def _watch(title: str) -> Iterator[Callable[[int, int | None], None]]:
    console.info(title)
    with console.counting("MB") as count:
        yield lambda done, total: count(done / MB, None if total is None else total / MB)
