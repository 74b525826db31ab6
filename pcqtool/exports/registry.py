"""The formats of ``pcqtool export``: one registry, from a format's name to its writer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pcqtool.errors import SettingsError
from pcqtool.exports.audformat_database import write_audformat
from pcqtool.exports.json_lines import write_jsonl
from pcqtool.exports.lines import write_audacity, write_raven, write_rttm
from pcqtool.exports.recordings import What
from pcqtool.exports.spreadsheets import write_csv, write_xlsx
from pcqtool.exports.subtitles import write_srt, write_vtt
from pcqtool.exports.tiers import write_eaf, write_textgrid

if TYPE_CHECKING:
    from pcqtool.batch.results import Results

Write = Callable[["Results", Path, What], list[Path]]
"""Writes results to a file or into a folder, and returns the files that it has written."""


@dataclass(frozen=True)
class ExportFormat:
    """A format.

    Attributes:
        write: its writer.
        suffix: end of the file that holds all recordings; '' for formats with a folder of files.
        module: the module that the writer needs, of the extra ``export``; '' for none.
        takes_what: whether it contains either events or segments, so that one must be chosen.
    """

    write: Write
    suffix: str = ""
    module: str = ""
    takes_what: bool = False


FORMATS: Mapping[str, ExportFormat] = {
    "audacity": ExportFormat(write_audacity, takes_what=True),
    "audformat": ExportFormat(write_audformat, module="audformat"),
    "csv": ExportFormat(write_csv, ".csv"),
    "eaf": ExportFormat(write_eaf, module="pympi"),
    "jsonl": ExportFormat(write_jsonl, ".jsonl"),
    "raven": ExportFormat(write_raven, takes_what=True),
    "rttm": ExportFormat(write_rttm, ".rttm", takes_what=True),
    "srt": ExportFormat(write_srt, takes_what=True),
    "textgrid": ExportFormat(write_textgrid, module="praatio"),
    "vtt": ExportFormat(write_vtt, takes_what=True),
    "xlsx": ExportFormat(write_xlsx, ".xlsx", module="xlsxwriter"),
}


def export_format(name: str) -> ExportFormat:
    """Return the format of a name.

    Raises:
        SettingsError: if there is none of this name.
    """
    if name not in FORMATS:
        raise SettingsError(f"{name!r} is not a format that results can be exported to", f"Use {_alternatives()}.")
    return FORMATS[name]


def _alternatives() -> str:
    *names, last = FORMATS
    return f"{', '.join(names)} or {last}"
