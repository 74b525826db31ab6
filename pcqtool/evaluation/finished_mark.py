"""The mark of a finished run in a folder of several: it names the settings, and detects damaged results."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from pcqtool.corpora.base import Utterance, fingerprint_entries
from pcqtool.evaluation.run_directory import METRICS, PREDICTIONS
from pcqtool.files.atomic import write_whole
from pcqtool.fingerprint import fingerprint
from pcqtool.model.registry import installed_plugins
from pcqtool.version import __version__

if TYPE_CHECKING:
    from pcqtool.splits import Fold, Protocol
    from pcqtool.training.recipe import Recipe

MARK = "done.json"
"""Name of the file that marks a finished run; it contains the key of the settings and the hashes of the results."""


def settings_key(
    recipe: Recipe,
    encoder: str | None,
    teacher: str | None,
    protocol: Protocol,
    utterances: Sequence[Utterance],
    folds: Mapping[int, Sequence[Fold]],
    *others: object,
) -> str:
    """Hash everything that decides a run's figures; the corpus's folder does not.

    Args:
        recipe: the settings.
        encoder: directory or Hub id of the pre-trained encoder.
        teacher: directory or Hub id of the teacher.
        protocol: the protocol of the folds.
        utterances: the list that folds index into.
        folds: all folds of each seed.
        others: further JSON values.
    """
    divided = {seed: [asdict(fold) for fold in some] for seed, some in folds.items()}
    decisive = [recipe.to_dict(), encoder, teacher, protocol.name, fingerprint_entries(utterances), divided, *others]
    return fingerprint([decisive, __version__, *map(str, installed_plugins(recipe.network))])


def is_finished(folder: Path, key: str) -> bool:
    """Return whether a run with this key has finished here, and its figures and predictions are undamaged."""
    try:
        mark = json.loads((folder / MARK).read_text(encoding="utf-8"))
        return bool(mark == {"key": key, "sha256": _digests(folder)})
    except (OSError, ValueError, RecursionError):
        return False


def mark_finished(folder: Path, key: str) -> None:
    """Mark a run whose figures and predictions have been written.

    Raises:
        FileError: if the file system refuses.
    """
    write_whole(folder / MARK, f"{json.dumps({'key': key, 'sha256': _digests(folder)}, indent=1)}\n".encode())


def _digests(folder: Path) -> dict[str, str]:
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in (METRICS, PREDICTIONS)}
