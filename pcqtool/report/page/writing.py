"""Writing the page: ``pcqtool.write_page``."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from importlib.resources import files as package_files
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pcqtool.arguments import StrPath, as_path
from pcqtool.batch.results import Results, read_results
from pcqtool.errors import SettingsError
from pcqtool.files.atomic import write_whole
from pcqtool.report.model_facts import model_facts
from pcqtool.report.page.content import page_data
from pcqtool.report.page.groups import Grouping, RecordingGroups, groups_by_name, groups_by_table
from pcqtool.report.page.listening import Clips, audio_links, audio_root, cut_clips
from pcqtool.report.page.look import LabelLook, looks_of
from pcqtool.report.page.overview import confusion_of, overview_of
from pcqtool.report.page.tables import PageTables, page_tables
from pcqtool.version import __version__

if TYPE_CHECKING:
    from markupsafe import Markup

SCRIPTS = ("columns", "data", "format", "look", "player", "table", "timeline", "detail", "moments", "trends", "main")
"""The page's scripts in ``js/``, in the order in which the page contains them."""

MOMENTS = 12
"""Moments of each emotion that the page lists."""

EMBED_LIMIT_MB = 20.0
"""Largest size of embedded clips, in megabytes of the page."""


@dataclass(frozen=True)
class ResultsPage:
    """A page that was written.

    Attributes:
        path: the page.
        size_bytes: its size.
        n_recordings: recordings that it shows.
        n_rows: rows of the file table: channels or speakers.
        n_clips: clips inside it.
        has_links: whether it plays recordings from their folder.
        notes: what could not be shown, and why.
    """

    path: Path
    size_bytes: int
    n_recordings: int
    n_rows: int
    n_clips: int
    has_links: bool
    notes: tuple[str, ...] = ()


def write_page(
    results: Results | StrPath,
    out: StrPath,
    *,
    title: str | None = None,
    audio: StrPath | None = None,
    embed: bool = False,
    embed_limit_mb: float = EMBED_LIMIT_MB,
    moments: int = MOMENTS,
    model: StrPath | None = None,
    name_pattern: str | None = None,
    metadata: StrPath | None = None,
) -> ResultsPage:
    """Write the results of ``label`` as one HTML file that needs no server and no network.

    Args:
        results: results, or the path of their tables.
        out: the page, ``.html``.
        title: heading of the page; None for the name of the results.
        audio: folder of the recordings, which the page plays by paths relative to its own folder; None for the table's
            root, if the recordings are there.
        embed: put clips of the strongest moments into the page, which then plays nothing else.
        embed_limit_mb: largest size of these clips, in megabytes.
        moments: how many moments of each emotion to list.
        model: name or directory of the model, for its license and scores; None for the bundled model of its name.
        name_pattern: what names of recordings contain, such as ``{date}/{call}_{agent}.wav``.
        metadata: CSV table about the recordings: column ``file``, optionally ``channel``, ``date`` and ``label`` (the
            true emotion), and others to group by.

    Raises:
        SettingsError: if an argument is not valid, or does not fit the results.
        TableError: if a table is missing or damaged, or has no labels.
        ModelError: if the given model is damaged.
        ReportError: if the clips are larger than the limit.
        FileError: if the page cannot be written.

    Examples:
        >>> import pcqtool
        >>> pcqtool.write_page("results.parquet", "report.html", audio="calls")  # doctest: +SKIP
        ResultsPage(path=..., n_recordings=8, n_rows=16, n_clips=0, has_links=True, notes=())
    """
    path = as_path(out).absolute()
    if path.suffix.lower() not in (".html", ".htm"):
        raise SettingsError(f"{out}: a page's name must end in .html", "For example: --out report.html")
    if moments < 1 or embed_limit_mb <= 0:
        raise SettingsError("the number of moments and the limit of clips must be positive")
    opened = results if isinstance(results, Results) else read_results(as_path(results))
    tables = page_tables(opened)
    groups = _groups(tables, name_pattern, None if metadata is None else as_path(metadata))
    looks = looks_of(tables.labels)
    strongest = tables.strongest(moments)
    root = audio_root(None if audio is None else as_path(audio), opened.provenance.root, tables.names)
    if embed and root is None:
        raise SettingsError("clips need the recordings, which are not in the table's folder", "Name it with --audio.")
    clips = (
        cut_clips(tables, root, chain.from_iterable(strongest), embed_limit_mb)
        if embed and root is not None
        else Clips()
    )
    links = audio_links(root, tables.names, path.parent) if root is not None and not embed else None
    data = page_data(tables, looks, groups.groupings)
    data |= {"moments": strongest, "audio": links, "clips": clips.sounds}
    content = _render(
        {
            "title": title or opened.path.stem,
            "overview": overview_of(tables),
            "model": model_facts(opened.provenance, model if model is None else str(as_path(model))),
            "confusion": confusion_of(groups.truth, tables.files["label"].to_list(), tables.labels)
            if groups.truth
            else None,
            "created": opened.provenance.created,
            "version": __version__,
            "looks": {look.label: look for look in looks},
            "notes": (*groups.notes, *clips.notes),
        },
        looks,
        data,
    )
    write_whole(path, content)
    counts = (len(content), len(tables.names), len(tables.files), len(clips.sounds))
    return ResultsPage(path, *counts, links is not None, (*groups.notes, *clips.notes))


def _groups(tables: PageTables, pattern: str | None, table: Path | None) -> RecordingGroups:
    """Join the properties from names and from a table; those of the table win."""
    by_name = RecordingGroups() if pattern is None else groups_by_name(pattern, tables.files)
    by_table = RecordingGroups() if table is None else groups_by_table(table, tables.files)
    found: dict[str, Grouping] = {each.name: each for each in (*by_name.groupings, *by_table.groupings)}
    return RecordingGroups(list(found.values()), by_table.truth, [*by_name.notes, *by_table.notes])


def _render(context: dict[str, Any], looks: list[LabelLook], data: dict[str, Any]) -> bytes:
    """Fill the template; its policy allows this style and this script, and nothing from elsewhere."""
    from jinja2 import Environment, StrictUndefined

    style = _read("page.css") + _colours(looks)
    script = '"use strict";\n(() => {\n' + "\n".join(_read(f"js/{name}.js") for name in SCRIPTS) + "})();\n"
    policy = (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; img-src data:; "
        "media-src 'self' file: data:; base-uri 'none'; form-action 'none'"
    )
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(_read("page.html.j2"))
    text = template.render(
        context, style=_trusted(style), script=_trusted(script), policy=policy, data=_trusted(inline_json(data))
    )
    return text.encode("utf-8", "replace")  # half of a surrogate pair, which no name in a table has


def inline_json(value: object) -> str:
    """Return JSON that no HTML parser takes for markup."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _colours(looks: list[LabelLook]) -> str:
    """Return the style of the labels: classes ``c0``, ``c1``, … of elements and of shapes."""
    return "".join(
        f".c{number} {{ --label: {look.colour}; --label-ink: {look.ink}; }}\n" for number, look in enumerate(looks)
    )


def _read(name: str) -> str:
    return package_files(__package__).joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")


def _trusted(text: str) -> Markup:
    """Mark text as the package's own, or as escaped already."""
    from markupsafe import Markup

    return Markup(text)  # noqa: S704
