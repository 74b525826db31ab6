"""Curves of a training run for TensorBoard, an optional extra."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pcqtool.errors import SettingsError
from pcqtool.files.atomic import reported
from pcqtool.training.trainer import Epoch


def check_apart(folder: Path | None, out: Path) -> None:
    """Check, before hours are spent on training, that curves do not go where the model is to be alone.

    Raises:
        SettingsError: if the folder is the model's directory, or lies in it.
    """
    if folder is not None and folder.resolve().is_relative_to(out.resolve()):
        raise SettingsError(
            f"--tensorboard {folder} lies in {out}, which is the model's alone",
            "Name a directory beside it with --tensorboard.",
        )


@contextmanager
def board(folder: Path | None) -> Iterator[Callable[[Epoch], None]]:
    """Give what draws an epoch into a folder; without one, what does nothing.

    Raises:
        SettingsError: if TensorBoard is not installed.
        FileError: if the folder cannot be written to.
    """
    if folder is None:
        yield lambda epoch: None
        return
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise SettingsError(
            "--tensorboard needs TensorBoard, which is not installed", "pip install 'pcqtool[tensorboard]'"
        ) from error
    with reported(folder):
        writer = SummaryWriter(folder)

    def draw(epoch: Epoch) -> None:
        for name, value in epoch.to_dict().items():
            if name != "number":
                writer.add_scalar(name.replace("validation_", "validation/"), value, epoch.number)
        writer.flush()

    try:
        yield draw
    finally:
        writer.close()
