"""Checkpoints: the whole state of a training run in one safetensors file, tensors and, as JSON, all else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pcqtool import __version__
from pcqtool.audio.hearing import HEARING
from pcqtool.corpora.base import Utterance, list_decisive
from pcqtool.errors import SettingsError, TrainingError
from pcqtool.tables.atomic import write_whole
from pcqtool.training.recipe import Recipe
from pcqtool.training.splits import Fold

CHECKPOINT = "checkpoint.safetensors"
_TENSOR = "tensor:"  # in front of a tensor's name, where it stood in the state


@dataclass(frozen=True)
class Checkpoint:
    """Where a run keeps its state after every epoch, and the fingerprint of the settings that it belongs to."""

    path: Path
    key: str

    def n_epochs(self) -> int:
        """Give the number of epochs that have been kept; 0 without a checkpoint.

        Raises:
            SettingsError: if it is of a run with other settings.
            TrainingError: if it is damaged.
        """
        return len(self._header()["history"]) if self.path.is_file() else 0

    def write(self, state: Mapping[str, Any]) -> None:
        """Replace the checkpoint by a state: nested dicts and lists of tensors, numbers and strings.

        Raises:
            TableError: if the file system refuses.
        """
        from safetensors.torch import save

        tensors: dict[str, Tensor] = {}
        header = {"key": self.key, "state": json.dumps(_take_tensors(state, "", tensors))}
        write_whole(self.path, save(tensors, metadata=header))

    def read(self) -> dict[str, Any] | None:
        """Give the state that was written last, dict keys as strings; None if there is none.

        Raises:
            SettingsError, TrainingError: as for ``n_epochs``.
        """
        from safetensors.torch import load_file

        if not self.path.is_file():
            return None
        state: dict[str, Any] = _put_tensors(self._header(), load_file(self.path))
        return state

    def _header(self) -> dict[str, Any]:
        from safetensors import SafetensorError, safe_open

        remedy = f"Remove {self.path} to begin anew, or name another directory with --out."
        try:
            with safe_open(self.path, framework="pt") as file:
                header = file.metadata() or {}
            key, state = header["key"], json.loads(header["state"])
        except (OSError, SafetensorError, KeyError, ValueError) as error:
            raise TrainingError(f"{self.path} is damaged: {error}", remedy) from error
        if key != self.key:
            raise SettingsError(
                f"{self.path} is of a training run with other settings",
                f"Start with the same corpus, recipe, encoder and seed to go on. {remedy}",
            )
        found: dict[str, Any] = state
        return found


def fingerprint(
    utterances: Sequence[Utterance], recipe: Recipe, fold: Fold, encoder: str | None, teacher: str | None
) -> str:
    """Hash what decides a run's weights: where the corpus lies does not, how large its files are does."""
    decisive = [
        list_decisive(utterances),
        recipe.to_dict(),
        asdict(fold),
        encoder,
        teacher,
        HEARING,
        __version__,
        torch.__version__,
    ]
    return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:16]


def _take_tensors(tree: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    """Put a nested state's tensors aside, and names in their places."""
    if isinstance(tree, Tensor):
        tensors[name] = tree.detach().cpu().contiguous()
        return _TENSOR + name
    if isinstance(tree, Mapping):
        return {str(key): _take_tensors(value, f"{name}/{key}", tensors) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [_take_tensors(value, f"{name}/{number}", tensors) for number, value in enumerate(tree)]
    return tree


def _put_tensors(tree: Any, tensors: Mapping[str, Tensor]) -> Any:
    """Put tensors back in the places of their names."""
    if isinstance(tree, dict):
        return {key: _put_tensors(value, tensors) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_put_tensors(value, tensors) for value in tree]
    return tensors[tree.removeprefix(_TENSOR)] if isinstance(tree, str) and tree.startswith(_TENSOR) else tree
