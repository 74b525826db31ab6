"""Checkpoints: the state of a training run in one safetensors file, with everything but the tensors as JSON.

The file contains a hash of its content. A damaged checkpoint counts as none: training starts from the beginning.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pcqtool.audio.call_detection import CHANNEL_PLAN_VERSION
from pcqtool.corpora.base import Utterance, fingerprint_entries
from pcqtool.errors import SettingsError, TrainingError
from pcqtool.files.atomic import write_whole
from pcqtool.fingerprint import fingerprint
from pcqtool.model.registry import installed_plugins
from pcqtool.splits import Fold
from pcqtool.training.recipe import Recipe
from pcqtool.version import __version__

CHECKPOINT = "checkpoint.safetensors"
_TENSOR = "tensor:"  # prefix of a tensor's name, in its place in the state

_log = logging.getLogger(__name__)


class _DamagedError(Exception):
    """The file's content does not match its hash."""


@dataclass(frozen=True)
class Checkpoint:
    """The file for the state of a run after every epoch, and the fingerprint of the run's settings."""

    path: Path
    key: str

    def n_epochs(self) -> int:
        """Return the number of stored epochs; 0 without a checkpoint, or with a damaged one.

        Raises:
            SettingsError: if the checkpoint belongs to a run with other settings.
            TrainingError: if it cannot be read.
        """
        try:
            return len(self._load()["history"]) if self.path.is_file() else 0
        except _DamagedError:  # logged by ``read``
            return 0

    def write(self, state: Mapping[str, Any]) -> None:
        """Replace the checkpoint by a state: nested dicts and lists of tensors, numbers and strings.

        Raises:
            FileError: if the file system refuses.
        """
        from safetensors.torch import save

        tensors: dict[str, Tensor] = {}
        header = {"key": self.key, "state": json.dumps(_take_tensors(state, "", tensors))}
        write_whole(self.path, save(tensors, metadata=header | {"sha256": _digest(header, tensors)}))

    def read(self) -> dict[str, Any] | None:
        """Return the last state, with dict keys as strings; None without a checkpoint.

        A damaged checkpoint is logged and counts as none; the next state replaces it.

        Raises:
            SettingsError, TrainingError: as for ``n_epochs``.
        """
        if not self.path.is_file():
            return None
        try:
            return self._load()
        except _DamagedError as error:
            _log.warning("%s is damaged (%s): training starts from the beginning", self.path, error)
            return None

    def _load(self) -> dict[str, Any]:
        from safetensors import SafetensorError, safe_open

        remedy = f"Remove {self.path} to start from the beginning, or name another directory with --out."
        try:
            with safe_open(self.path, framework="pt") as file:
                header = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (no mapping)
        except OSError as error:
            raise TrainingError(f"{self.path} cannot be read: {error.strerror or error}", remedy) from error
        except (SafetensorError, ValueError) as error:
            raise _DamagedError(error) from error
        if header.pop("sha256", None) != _digest(header, tensors):
            raise _DamagedError("its content does not match its hash")
        if header["key"] != self.key:
            raise SettingsError(
                f"{self.path} belongs to a training run with other settings",
                f"Use the same corpus, recipe, encoder and seed to resume it. {remedy}",
            )
        state: dict[str, Any] = _put_tensors(json.loads(header["state"]), tensors)
        return state


def _digest(header: Mapping[str, str], tensors: Mapping[str, Tensor]) -> str:
    """Hash a checkpoint's header and its tensors with their names, types and shapes."""
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode())
        digest.update(tensor.contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def run_fingerprint(
    utterances: Sequence[Utterance], recipe: Recipe, fold: Fold, encoder: str | None, teacher: str | None
) -> str:
    """Hash everything that decides a run's weights: the sizes of the corpus's files do, their folders do not."""
    settings = [fingerprint_entries(utterances), recipe.to_dict(), asdict(fold), encoder, teacher]
    plugins = map(str, installed_plugins(recipe.network))
    return fingerprint([*settings, CHANNEL_PLAN_VERSION, __version__, torch.__version__, *plugins])


def _take_tensors(tree: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    """Move the tensors of a nested state into ``tensors``, and leave their names."""
    if isinstance(tree, Tensor):
        tensors[name] = tree.detach().cpu().contiguous()
        return _TENSOR + name
    if isinstance(tree, Mapping):
        return {str(key): _take_tensors(value, f"{name}/{key}", tensors) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [_take_tensors(value, f"{name}/{number}", tensors) for number, value in enumerate(tree)]
    return tree


def _put_tensors(tree: Any, tensors: Mapping[str, Tensor]) -> Any:
    """Replace the names of tensors in a nested state by the tensors."""
    if isinstance(tree, dict):
        return {key: _put_tensors(value, tensors) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_put_tensors(value, tensors) for value in tree]
    return tensors[tree.removeprefix(_TENSOR)] if isinstance(tree, str) and tree.startswith(_TENSOR) else tree
