"""``pcqtool corpora fetch``: download a public corpus from its official address."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from pcqtool.cli.common import console, options
from pcqtool.cli.corpora.description import Name
from pcqtool.errors import CorpusError
from pcqtool.json_format import JsonFormat
from pcqtool.progress import Progress

MB = 1_000_000


def fetch(
    name: Name,
    root: Annotated[
        Path | None,
        typer.Option("--root", metavar="DIR", help="Folder to create. Default: the corpus's name in PCQTOOL_CORPORA."),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-host",
            metavar="HOST",
            help="Allow the official address to redirect to this host over https. May be given more than once.",
        ),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Download a public corpus from its official address.

    An interrupted download resumes when the command runs again. Each file is compared with its published checksum or,
    without one, with the checksum of its first download. For a corpus that is not public, shows where to apply.
    """
    from pcqtool.corpora import registry, release, roots
    from pcqtool.corpora.download.fetch import fetch

    corpus = registry.corpus_class(name)
    if not release.downloads_of(corpus):
        raise CorpusError(f"corpus {name!r} cannot be downloaded by a program", roots.how_to_apply(corpus, root))
    folder = roots.root_to_create(corpus, root)
    done = fetch(corpus, folder, _show_progress, console.info, hosts=allow_host or ())
    if as_json:
        console.print_json(JsonFormat.FETCH, {"name": name, "root": folder, "files": done})
        return
    if not done:
        console.info("the corpus exists already: nothing is downloaded")
    for file in done:
        if file.checked_by == "nothing":
            console.warn(
                f"{file.url} has no published checksum: its sha256 {file.sha256} is stored for the next download"
            )
    at = "" if root is None else f" --root {root}"
    console.print_fields(
        {
            "corpus": name,
            "root": folder,
            "files": [f"{each.url}, {each.size_bytes / MB:,.1f} MB" for each in done],
            "licence": corpus.licence,
            "citation": corpus.citation,
            "next": f"pcqtool corpora validate {name}{at}",
        }
    )


@contextmanager
def _show_progress(title: str) -> Iterator[Callable[[int, int | None], None]]:
    console.info(title)
    with console.reporting() as report:
        yield lambda done, total: report(Progress(done / MB, None if total is None else total / MB, "MB"))
