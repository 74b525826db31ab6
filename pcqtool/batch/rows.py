"""The rows of recordings in the two tables, each available as soon as everything in it is known."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection

from pcqtool.audio.reader import RecordingInfo
from pcqtool.audio.segment import SAMPLE_RATE
from pcqtool.batch.batcher import Batcher, ChannelState
from pcqtool.batch.names import Source, signature_of
from pcqtool.batch.prefetch import Failure, Piece
from pcqtool.batch.task import BatchTask, Row
from pcqtool.tables.schema import Status


class RowQueue:
    """The rows of a part, in the order of the tables.

    Args:
        task: the computation.
        model: name of the model, for the rows.
        stale: recordings that have rows in the output already.

    Attributes:
        files: rows of the file table, of the recordings that are complete so far.
        withdrawn: recordings that failed after rows of their segments were taken: these rows do not count.
    """

    def __init__(self, task: BatchTask, model: str, stale: Collection[str] = ()) -> None:
        self.task = task
        self.model = model
        self.stale = stale
        self.files: list[Row] = []
        self.withdrawn: set[str] = set()
        self._decoding: dict[str, RecordingRows] = {}
        self._pending: deque[RecordingRows] = deque()

    def add(self, piece: Piece, batcher: Batcher) -> None:
        """Add the next piece of a recording; recordings come in the order of the tables, their pieces in any order."""
        file = piece.source.file
        if file not in self._decoding:
            self._decoding[file] = RecordingRows(piece.source, self.task, self.model)
            self._pending.append(self._decoding[file])
        self._decoding[file].add(piece, batcher)
        if piece.is_last:
            del self._decoding[file]

    def take_segments(self) -> list[Row]:
        """Take the segment rows that are known, as far as the order of the table allows."""
        rows: list[Row] = []
        while self._pending:
            rows += self._pending[0].take_segments()
            if not self._pending[0].is_complete:
                break
            recording = self._pending.popleft()
            if not self._has_vanished(recording):
                self.files += recording.file_rows()
            if recording.is_withdrawn:
                self.withdrawn.add(recording.source.file)
        return rows

    def _has_vanished(self, recording: RecordingRows) -> bool:
        """Whether a recording was removed before it was read again: the rows that it has in the output stay."""
        source = recording.source
        return recording.failure is not None and source.file in self.stale and not source.path.exists()


class RecordingRows:
    """The rows of one recording.

    Args:
        source: the recording.
        task: the computation.
        model: name of the model, for the rows.

    Attributes:
        info: facts about the recording that are known so far.
        failure: why it could not be read; None if it could.
        ended: whether its last piece was added.
    """

    def __init__(self, source: Source, task: BatchTask, model: str) -> None:
        self.source = source
        self.task = task
        self.model = model
        self.info = RecordingInfo()
        self.failure: Failure | None = None
        self.ended = False
        self._channels: dict[str, ChannelState] = {}
        self._n_taken = 0  # segments of each channel whose rows were taken

    def add(self, piece: Piece, batcher: Batcher) -> None:
        """Add the next piece: its segments go to the batcher."""
        self.info, self.failure, self.ended = piece.info, piece.failure, piece.is_last
        for chunk in piece.chunks:
            channel = self._channels.setdefault(chunk.channel, self._new_channel(chunk.channel))
            batcher.add(channel, chunk)

    @property
    def is_complete(self) -> bool:
        """Whether all rows are known."""
        return self.ended and not any(channel.pending for channel in self._channels.values())

    @property
    def is_withdrawn(self) -> bool:
        """Whether segment rows were taken that do not count, since the recording failed later.

        A recording that fails half-way fails as a whole: whether it gets a label must not depend on how much of it was
        read before the fault.
        """
        return self.failure is not None and self._n_taken > 0

    def take_segments(self) -> list[Row]:
        """Take the rows of segments that are known and were not taken yet, ordered by start, then channel.

        Segments leave no gaps. The last one ends exactly where the recording does, so its row is known at the end only.
        """
        if self.ended and self.failure is not None:
            return []
        channels = [self._channels[name] for name in sorted(self._channels)]
        first, self._n_taken = self._n_taken, max(self._n_taken, self._n_known(channels))
        numbers = range(first, self._n_taken)
        return [self._segment(channel, n) for n in numbers for channel in channels if n < len(channel.n_samples)]

    def file_rows(self) -> list[Row]:
        """Return the rows of a complete recording: one per channel, or a single one if it has no audio."""
        if self.failure is not None:
            status = Status.EMPTY if self.source.size_bytes == 0 else Status.FAILED
            return [self._facts() | {"status": status, "error": self.failure.reason}]
        shortfall = self.info.shortfall
        if not self._channels:
            status = Status.TRUNCATED if shortfall else Status.EMPTY
            return [self._facts() | {"status": status, "error": shortfall or "no audio in the file"}]
        return [self._facts() | self._outcome(channel, shortfall) for channel in self._channels.values()]

    def _new_channel(self, name: str) -> ChannelState:
        group = self.task.group_of(self.source.file)
        return ChannelState(name, self.task.new_accumulator(), group=group)

    def _n_known(self, channels: list[ChannelState]) -> int:
        """Count the segments whose rows are known in all channels."""
        if self.ended:
            return max((channel.n_done for channel in channels), default=0) if self.is_complete else self._n_taken
        if len(channels) < len(self.info.channel_names):
            return 0
        return min((min(channel.n_done, len(channel.n_samples) - 1) for channel in channels), default=0)

    def _segment(self, channel: ChannelState, number: int) -> Row:
        segment_samples = self.task.settings.reader_options.n_samples
        start, n = number * segment_samples, channel.n_samples[number]
        is_last = self.ended and number == len(channel.n_samples) - 1
        return {
            "file": self.source.file,
            "channel": channel.channel,
            "segment": number,
            "start_s": start / SAMPLE_RATE,
            "end_s": self.info.duration_s if is_last else (start + n) / SAMPLE_RATE,
            "speech": channel.speech[number],
            "padded": n < segment_samples,
            **channel.consume(number),
        }

    def _outcome(self, channel: ChannelState, shortfall: str | None) -> Row:
        row: Row = {"channel": channel.channel, "n_segments": len(channel.n_samples), "speech_s": channel.speech_s}
        if not channel.n_consumed:
            return row | {"status": Status.NO_SPEECH, "error": shortfall or "no speech found"}
        status = Status.TRUNCATED if shortfall else Status.OK
        return row | {"status": status, "error": shortfall, "model": self.model} | channel.accumulator.result()

    def _facts(self) -> Row:
        """Return the columns that do not depend on the outcome."""
        size_bytes, mtime_us, target, _ = signature_of(self.source)
        opened = self.info.sample_rate > 0
        return {
            "file": self.source.file,
            "duration_s": self.info.duration_s if opened else None,
            "sample_rate": self.info.sample_rate if opened else None,
            "n_segments": 0,
            "size_bytes": size_bytes,
            "mtime": mtime_us,
            "note": self.info.note,
            "target": target,
            "retry": self.failure is not None and self.failure.retry,
        }
