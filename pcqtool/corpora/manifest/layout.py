"""Where a manifest's entries lie: in a table, in a table of each split, or as a folder for each label."""

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
"""What Hugging Face's audiofolder takes for the names of splits."""

_SIGNS = re.compile(r"[,;\t|]")


def entries(root: Path) -> Iterator[ManifestRow]:
    """Find the entries below a folder, or in a table.

    A folder has a table called ``metadata``; or folders ``train``, ``test`` and so on, each in either form; or a
    folder for each label, ``anger/1.wav``, with one for each speaker inside it where they are known,
    ``anger/anna/1.wav``. Hidden files and folders are passed over.

    Raises:
        CorpusError: if there is nothing of that, more than one table, or a table is damaged.
    """
    if not root.is_dir():
        yield from _listed(root)
        return
    splits = [folder for folder in _folders(root) if folder.name.lower() in SPLITS] if _table(root) is None else []
    for folder in splits or [root]:
        table = _table(folder)
        yield from _sorted_by_label(folder) if table is None else _listed(table)


def _table(folder: Path) -> Path | None:
    """Find the one called ``metadata``."""
    tables = [path for suffix in READERS if (path := folder / f"metadata{suffix}").is_file()]
    if len(tables) > 1:
        raise CorpusError(f"{folder}: {len(tables)} manifests in this folder", "Give the manifest file as --root.")
    return tables[0] if tables else None


def _listed(table: Path) -> Iterator[ManifestRow]:
    line = "row" if table.suffix.lower() == ".parquet" else "line"
    for number, row in read_table(table):
        for column in row:
            if column not in COLUMNS and not {part.strip() for part in _SIGNS.split(str(column))}.isdisjoint(COLUMNS):
                raise CorpusError(
                    f"{table}: {str(column)[:80]!r} is one column", "Separate all of them by one and the same sign."
                )
        yield ManifestRow(f"{table}, {line} {number}", table.parent, row)


def _sorted_by_label(root: Path) -> Iterator[ManifestRow]:
    """Read folders named after labels; a recording beside them would have none."""
    if loose := [path for path in find_files(root, *EXTENSIONS) if path.parent == root]:
        raise CorpusError(
            f"{root}: no metadata.csv in this folder, and {len(loose)} recordings lie in no label's, "
            f"first {loose[0].name}",
            "Put them into folders named after labels (anger/1.wav), or list them in metadata.csv.",
        )
    found = [(folder, path) for folder in _folders(root) for path in find_files(folder, *EXTENSIONS)]
    if not found:
        raise CorpusError(
            f"{root}: no metadata.csv or metadata.jsonl in this folder, and no folder of recordings",
            "Give the manifest file itself as --root, or a folder with one for each label: anger/1.wav.",
        )
    for folder, path in found:
        inside = path.relative_to(folder).parts[:-1]
        row = {"file_name": str(path.relative_to(root)), "label": folder.name, "speaker": inside[0] if inside else None}
        yield ManifestRow(str(path), root, row)


def _folders(root: Path) -> list[Path]:
    return sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
