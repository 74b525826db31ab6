"""Curves of a training run for TensorBoard, an optional extra."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pcqtool.errors import SettingsError
from pcqtool.tables.atomic import reported
from pcqtool.training.fit import Epoch


@contextmanager
def board(folder: Path | None) -> Iterator[Callable[[Epoch], None]]:
    """Give what draws an epoch into a folder; without one, what does nothing.

    Raises:
        SettingsError: if TensorBoard is not installed.
        TableError: if the folder cannot be written to.
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
