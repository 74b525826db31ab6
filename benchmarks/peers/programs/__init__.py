"""The programs that are compared: one module each, loaded in an environment that may have nothing else.

Every module has ``load(kind, folder, n_cores)``, which returns a ``Loaded``. A module whose program reads weights also
has ``make(kind, folder)``, which writes random ones in the layout in which the real ones are published.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Loaded:
    """A program that is ready.

    Attributes:
        run: goes once through recordings.
        packages: distributions whose versions the page names.
        n_parameters: number of the model's parameters; ``None`` for programs that have no random weights.
        close: ends what the program has started.
    """

    run: Callable[[Sequence[str]], Any]
    packages: tuple[str, ...]
    n_parameters: int | None = None
    close: Callable[[], Any] = lambda: None
