"""What a run makes of recordings: all in which labelling and extraction differ."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pcqtool.batch.settings import BatchSettings
from pcqtool.tables.paths import Kind

if TYPE_CHECKING:
    import pyarrow as pa

Row = dict[str, Any]
"""Values by the names of their columns."""


class Compute(Protocol):
    """A network on a device."""

    def __call__(self, waves: NDArray[np.float32], n_samples: NDArray[np.int64], /) -> Iterable[Any]:
        """Compute a batch, one value for each segment, whatever else is in the batch.

        Args:
            waves: ``(B, N)`` at 16 kHz, padded with zeros at the end; may be overwritten after the call.
            n_samples: ``(B,)``, samples before the padding.

        Raises:
            MemoryError: if so many are too many; then fewer are asked for.
        """


class Accumulator(Protocol):
    """What is made of one track, of its segments in their order."""

    def add(self, value: Any, n_samples: int) -> Row:
        """Take what was computed of a segment.

        Args:
            value: one of those that a ``Compute`` gave.
            n_samples: of the segment that were computed.

        Returns:
            The segment's own columns in the segment table.
        """

    def result(self) -> Row:
        """Give the track's own columns in the file table; asked for when one segment or more was taken."""


class BatchTask(Protocol):
    """What is made of recordings."""

    @property
    def settings(self) -> BatchSettings:
        """How the recordings are heard."""

    @property
    def in_turn(self) -> bool:
        """Whether a recording is heard to its end before the next, since what is made of segments is large."""

    @property
    def cuts(self) -> bool:
        """Whether silence at a segment's edges is cut off, where speech is told: what is made of it has no times."""

    def schema(self, kind: Kind) -> pa.Schema:
        """Give the columns of one of the two tables."""

    @property
    def computes(self) -> Sequence[Compute]:
        """What computes batches, one for each device."""

    @property
    def aside(self) -> bool:
        """Whether the devices leave the processor's cores free."""

    def tally(self) -> Accumulator:
        """Begin a track."""
