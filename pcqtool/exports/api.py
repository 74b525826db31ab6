"""Exports from Python: ``pcqtool.export``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pcqtool.arguments import StrPath, as_path
from pcqtool.errors import SettingsError
from pcqtool.exports.recordings import What, check_labelled
from pcqtool.exports.registry import FORMATS, ExportFormat, export_format
from pcqtool.exports.requirements import require
from pcqtool.tables.paths import OTHER_FORMATS, SUFFIX

if TYPE_CHECKING:
    from pcqtool.batch.results import Results

COPIES = {f".{name}": name for name in ("csv", "xlsx")}
"""Formats that ``pcqtool label`` writes beside its tables, by the suffix of ``--out``."""


@dataclass(frozen=True)
class Exported:
    """Outcome of an export.

    Attributes:
        paths: the files that were written.
        n_recordings: recordings in the results.
        n_unreadable: those without audio, because they are empty or could not be read; formats that annotate audio do
            not have them.
    """

    paths: tuple[Path, ...]
    n_recordings: int
    n_unreadable: int


def export(results: Results | StrPath, to: str, out: StrPath, *, what: What | None = None) -> Exported:
    """Write results in the format of another program.

    Args:
        results: results of ``label``, or their path: ``results.parquet``, or a directory of parts.
        to: the format: ``audacity``, ``audformat``, ``csv``, ``eaf``, ``jsonl``, ``raven``, ``rttm``, ``srt``,
            ``textgrid``, ``vtt`` or ``xlsx``.
        out: a folder; for ``csv``, ``jsonl``, ``rttm`` and ``xlsx`` also a file with that suffix. Earlier files of the
            same names are replaced.
        what: ``events`` or ``segments``, for formats that hold one of them; None for events.

    Raises:
        SettingsError: if the format, its output or ``what`` is not valid, or the extra ``export`` is not installed.
        TableError: if a table is missing or damaged, contains features, or does not fit into the format.
        FileError: if a file cannot be written.

    Examples:
        >>> import pcqtool
        >>> pcqtool.export("results.parquet", "textgrid", "annotations").n_recordings  # doctest: +SKIP
        8
    """
    from pcqtool.batch.results import Results, read_results

    form = export_format(to)
    target = as_path(out)
    _check_out(to, form, target)
    if what is not None and (not form.takes_what or what not in ("events", "segments")):
        raise SettingsError(*_about_what(to, form, what))
    if form.module:
        require(form.module, to)
    tables = results if isinstance(results, Results) else read_results(as_path(results))
    check_labelled(tables)
    if form.suffix and (target.is_dir() or target.suffix.lower() != form.suffix):
        stem = tables.path.stem if tables.path.suffix.lower() == SUFFIX else tables.path.name
        target = target / f"{stem}{form.suffix}"
    paths = form.write(tables, target, what or "events")
    files = tables.files
    with_audio = files.filter(files["duration_s"] > 0)["file"].n_unique()
    return Exported(tuple(paths), files["file"].n_unique(), files["file"].n_unique() - with_audio)


def table_and_copy(out: Path) -> tuple[Path, Path | None]:
    """Split an ``--out`` of ``pcqtool label`` into its table and its copy in another format.

    A copy such as ``x.csv`` is written after each run from ``x.parquet``, which later runs continue.

    Args:
        out: a table, a directory, or a file with a suffix of ``COPIES``.

    Returns:
        The table or directory, and the copy; None without one.

    Raises:
        SettingsError: if the suffix is that of another format, or a package of ``pcqtool[export]`` is missing.
    """
    suffix = out.suffix.lower()
    if out.is_dir() or suffix not in OTHER_FORMATS:
        return out, None
    if suffix not in COPIES:
        raise SettingsError(
            f"{out}: results are written as {SUFFIX}, {' or '.join(COPIES)}",
            f"Name {out.with_suffix(SUFFIX)}, or a directory; 'pcqtool export' writes {', '.join(FORMATS)}.",
        )
    form = export_format(COPIES[suffix])
    if form.module:
        require(form.module, COPIES[suffix])
    return out.with_suffix(SUFFIX), out


def export_copy(results: Results, copy: Path) -> Exported:
    """Write the copy of ``table_and_copy``. Errors are those of ``export``."""
    return export(results, COPIES[copy.suffix.lower()], copy)


def _check_out(to: str, form: ExportFormat, out: Path) -> None:
    """Refuse a folder whose name is that of a file."""
    suffix = out.suffix.lower()
    if out.is_dir() or suffix == form.suffix or suffix not in {*OTHER_FORMATS, SUFFIX}:
        return
    if form.suffix:
        raise SettingsError(f"{out}: {to} is written to a file that ends in {form.suffix}, or into a folder")
    raise SettingsError(f"{out}: {to} is written as several files", f"Name a folder, such as {out.with_suffix('')}.")


def _about_what(to: str, form: ExportFormat, what: str) -> tuple[str, str]:
    if form.takes_what:
        return f"what is {what!r}", "Use events or segments."
    names = ", ".join(name for name, each in FORMATS.items() if each.takes_what)
    return (
        f"{to} contains both events and segments, so that neither can be chosen",
        f"Only {names} contain one of them.",
    )
