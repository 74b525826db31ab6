"""``pcqtool corpora list``: all corpora, built in and from plugins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pcqtool.cli.common import console, options
from pcqtool.cli.corpora.description import corpus_fields
from pcqtool.json_format import JsonFormat

if TYPE_CHECKING:
    from pcqtool.corpora.registry import CorpusRegistration


def list_corpora(as_json: options.Json = False) -> None:
    """List the corpora, built in and from plugins.

    A plugin that does not load is listed with its error. The column 'data' shows how to get the recordings: 'here' if
    they are in PCQTOOL_CORPORA, 'fetch' for 'corpora fetch', 'apply' for an application, 'yours' for your own.
    """
    from pcqtool.corpora import registry

    entries = registry.registered_corpora()
    if as_json:
        console.print_json(JsonFormat.CORPORA, {"corpora": [_as_json(entry) for entry in entries]})
        return
    rows = [
        (entry.name, entry.loaded.title if entry.loaded else entry.value, _data(entry), _origin(entry), _status(entry))
        for entry in entries
    ]
    console.print_table(("name", "title", "data", "from", "status"), rows, styles={"ok": "green"})


def _data(entry: CorpusRegistration) -> str | None:
    from pcqtool.corpora import release, roots

    if entry.loaded is None:
        return None
    if roots.is_present(entry.loaded):
        return "here"
    if release.downloads_of(entry.loaded):
        return "fetch"
    return "apply" if entry.loaded.url else "yours"


def _origin(entry: CorpusRegistration) -> str:
    return "built in" if entry.built_in else f"{entry.distribution} {entry.version}"


def _status(entry: CorpusRegistration) -> str:
    return f"broken: {entry.error}" if entry.error else "ok"


def _as_json(entry: CorpusRegistration) -> dict[str, Any]:
    about = corpus_fields(entry.loaded) if entry.loaded else {"name": entry.name}
    origin = f"{entry.distribution} {entry.version}"
    return {**about, "data": _data(entry), "from": origin, "class": entry.value, "error": entry.error}
