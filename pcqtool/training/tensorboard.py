"""Curves of a training run for TensorBoard, an optional dependency."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pcqtool.errors import SettingsError
from pcqtool.files.atomic import reported
from pcqtool.training.trainer import Epoch


def check_outside(folder: Path | None, out: Path) -> None:
    """Check before training that the curves are not written into the model's directory, which holds only the model.

    Raises:
        SettingsError: if the folder is the model's directory, or inside it.
    """
    if folder is not None and folder.resolve().is_relative_to(out.resolve()):
        raise SettingsError(
            f"--tensorboard {folder} is inside {out}, which holds only the model",
            "Name a directory beside it with --tensorboard.",
        )


@contextmanager
def tensorboard_writer(folder: Path | None) -> Iterator[Callable[[Epoch], None]]:
    """Yield a function that writes an epoch's curves into a folder; without a folder it does nothing.

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

    def write(epoch: Epoch) -> None:
        for name, value in epoch.to_dict().items():
            if name != "number":
                writer.add_scalar(name.replace("validation_", "validation/"), value, epoch.number)
        writer.flush()

    try:
        yield write
    finally:
        writer.close()
