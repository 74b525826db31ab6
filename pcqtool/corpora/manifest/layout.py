"""The layouts of a manifest: one table, a table for each split, or one folder per label."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from pcqtool.audio.discover import EXTENSIONS
from pcqtool.corpora.files import find_files
from pcqtool.corpora.manifest.row import COLUMNS, ManifestRow
from pcqtool.corpora.manifest.table import READERS, read_table
from pcqtool.errors import CorpusError

SPLITS = frozenset(("train", "training", "validation", "valid", "val", "dev", "test", "testing", "eval", "evaluation"))
"""The folder names that Hugging Face's audiofolder treats as splits."""

_SEPARATORS = re.compile(r"[,;\t|]")


def find_rows(root: Path) -> Iterator[ManifestRow]:
    """Find the rows of a table, or of the tables and recordings below a folder.

    A folder contains a table called ``metadata``, or one folder per label (``anger/1.wav``), which may contain one
    folder per speaker (``anger/anna/1.wav``). Or it contains folders ``train``, ``test`` and so on, each in one of
    these layouts. Hidden files and folders are skipped.

    Raises:
        CorpusError: if the folder has none of these layouts or several tables, or a table is damaged.
    """
    if not root.is_dir():
        yield from _table_rows(root)
        return
    is_table = _find_metadata(root) is not None
    splits = [] if is_table else [folder for folder in _folders(root) if folder.name.lower() in SPLITS]
    for folder in splits or [root]:
        table = _find_metadata(folder)
        yield from _label_folder_rows(folder) if table is None else _table_rows(table)


def _find_metadata(folder: Path) -> Path | None:
    """Return the folder's table called ``metadata``; None without one."""
    tables = [path for suffix in READERS if (path := folder / f"metadata{suffix}").is_file()]
    if len(tables) > 1:
        raise CorpusError(f"{folder}: {len(tables)} manifests in this folder", "Pass one of them as --root.")
    return tables[0] if tables else None


def _table_rows(table: Path) -> Iterator[ManifestRow]:
    line = "row" if table.suffix.lower() == ".parquet" else "line"
    for number, row in read_table(table):
        for column in row:
            if column not in COLUMNS and any(part.strip() in COLUMNS for part in _SEPARATORS.split(str(column))):
                what = f"{table}: {str(column)[:80]!r} is a single column"
                raise CorpusError(what, "Use the same separator in the whole table.")
        yield ManifestRow(f"{table}, {line} {number}", table.parent, row)


def _label_folder_rows(root: Path) -> Iterator[ManifestRow]:
    """Yield a row for each recording in folders named after labels; a recording beside the folders has no label."""
    if loose := [path for path in find_files(root, *EXTENSIONS) if path.parent == root]:
        raise CorpusError(
            f"{root}: no metadata.csv in this folder, and {len(loose)} recordings are not in a label's folder, "
            f"first {loose[0].name}",
            "Move them into folders named after labels (anger/1.wav), or list them in metadata.csv.",
        )
    found = [(folder, path) for folder in _folders(root) for path in find_files(folder, *EXTENSIONS)]
    if not found:
        raise CorpusError(
            f"{root}: no metadata.csv or metadata.jsonl in this folder, and no folder of recordings",
            "Pass the table itself as --root, or a folder that contains one folder per label: anger/1.wav.",
        )
    for folder, path in found:
        subfolders = path.relative_to(folder).parts[:-1]
        speaker = subfolders[0] if subfolders else None
        cells = {"file_name": str(path.relative_to(root)), "label": folder.name, "speaker": speaker}
        yield ManifestRow(str(path), root, cells)


def _folders(root: Path) -> list[Path]:
    return sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
