"""The task interface of a batch run: the part that differs between labelling and feature extraction."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from pcqtool.audio.segment import SegmentSpan
from pcqtool.batch.settings import BatchSettings
from pcqtool.tables.paths import Kind

if TYPE_CHECKING:
    import pyarrow as pa

    from pcqtool.model.profile_file import BatchProfile

Row = dict[str, Any]
"""Values by column name."""


Network = Callable[..., Iterable[Any]]
"""A network on a device: it computes a batch, one value per segment, which must not depend on the rest of the batch.

Args:
    waves: ``(B, N)`` at 16 kHz, padded with zeros at the end; may be overwritten after the call.
    n_samples: ``(B,)``, samples before the padding.
    groups: ``(B,)``, ``BatchTask.group_of`` of each segment's recording; not passed if all are 0.

Raises:
    MemoryError: if the batch is too large; it is then computed in pieces.
"""


class Accumulator(Protocol):
    """Collects the values of the segments of one channel, in order."""

    def add(self, value: Any, span: SegmentSpan) -> Row:
        """Add the value of a segment.

        Args:
            value: what a ``Network`` computed from the segment.
            span: where the segment is.

        Returns:
            The task's columns of the segment table.
        """

    def result(self) -> Row:
        """Return the task's columns of the file table; called after one segment or more was added."""

    def events(self, duration_s: float) -> list[Row]:
        """Return the task's columns of the event table; no rows from a task without such a table."""


class BatchTask(Protocol):
    """The computation of a run on recordings: labels (``pcqtool.labelling``) or features (``pcqtool.features``)."""

    @property
    def settings(self) -> BatchSettings:
        """How recordings are read."""

    @property
    def batch_size(self) -> int:
        """Segments computed at once."""

    @property
    def sequential(self) -> bool:
        """Whether each recording is read to its end before the next, because the values of segments are large."""

    @property
    def trims_silence(self) -> bool:
        """Whether to trim silence at segment edges (only with VAD, and only for outputs that have no time axis)."""

    def schema(self, kind: Kind) -> pa.Schema:
        """Return the columns of one of the task's tables."""

    @property
    def networks(self) -> Sequence[Network]:
        """The network on each device."""

    def new_accumulator(self) -> Accumulator:
        """Return an accumulator for a channel."""

    def group_of(self, file: str) -> int:
        """Return the number that the networks receive for segments of a recording, given its name in the tables."""


class ProfiledTask(BatchTask, Protocol):
    """A task whose networks standardise their inputs by the profile of the batch."""

    @property
    def moments(self) -> Sequence[Network]:
        """The functions that compute the moments ``(B, 2, C)`` of segments, which a profile is measured from."""

    def use_profile(self, profile: BatchProfile) -> None:
        """Standardise by a profile from now on."""
