"""The rows of recordings in the tables, each available as soon as everything in it is known."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection

from pcqtool.audio.channel_segmenter import Chunk
from pcqtool.audio.reader import RecordingInfo, join_notes
from pcqtool.audio.segment import SAMPLE_RATE, SegmentSpan
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
        events: rows of the event table, of the same recordings.
        withdrawn: recordings that failed after rows of their segments were taken: these rows do not count.
    """

    def __init__(self, task: BatchTask, model: str, stale: Collection[str] = ()) -> None:
        self.task = task
        self.model = model
        self.stale = stale
        self.files: list[Row] = []
        self.events: list[Row] = []
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
                self.events += recording.event_rows()
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
        self._channels: dict[tuple[str, str], ChannelState] = {}  # by channel and speaker, in this order

    def add(self, piece: Piece, batcher: Batcher) -> None:
        """Add the next piece: its segments go to the batcher."""
        self.info, self.failure, self.ended = piece.info, piece.failure, piece.is_last
        for chunk in piece.chunks:
            batcher.add(self._channel_of(chunk), chunk)

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
        return self.failure is not None and any(channel.n_returned for channel in self._channels.values())

    def take_segments(self) -> list[Row]:
        """Take the rows of segments that are known and were not taken yet, ordered by start, then channel.

        The last one of a channel may end exactly where the recording does, so its row is known at the end only.
        """
        if self.ended and self.failure is not None:
            return []
        taken: list[tuple[int, str, str, int]] = []
        channels = {key: self._channels[key] for key in sorted(self._channels)}
        limit = self._known_until(channels.values())
        for (name, speaker), channel in channels.items():
            n_known = channel.n_done
            while channel.n_returned < n_known and (limit is None or channel.spans[channel.n_returned].start < limit):
                taken.append((channel.spans[channel.n_returned].start, name, speaker, channel.n_returned))
                channel.n_returned += 1
        return [self._segment(channels[name, speaker], number) for _, name, speaker, number in sorted(taken)]

    def file_rows(self) -> list[Row]:
        """Return the rows of a complete recording: one per channel, or a single one if it has no audio."""
        if self.failure is not None:
            status = Status.EMPTY if self.source.size_bytes == 0 else Status.FAILED
            return [self._facts() | {"status": status, "error": self.failure.reason}]
        shortfall = self.info.shortfall
        if not self._channels:
            status = Status.TRUNCATED if shortfall else Status.EMPTY
            return [self._facts() | {"status": status, "error": shortfall or "no audio in the file"}]
        rows = [self._facts() | self._outcome(channel, shortfall) for channel in self._channels.values()]
        return compared(rows, self.info.overlap_s)

    def event_rows(self) -> list[Row]:
        """Return the rows of a complete recording in the event table."""
        if self.failure is not None:
            return []
        return [
            {"file": self.source.file, "channel": channel.channel, "speaker": channel.speaker} | event
            for channel in self._channels.values()
            for event in channel.accumulator.events(self.info.duration_s)
        ]

    def _channel_of(self, chunk: Chunk) -> ChannelState:
        key = chunk.channel, chunk.speaker or ""
        if key not in self._channels:
            group = self.task.group_of(self.source.file)
            channel = ChannelState(chunk.channel, self.task.new_accumulator(), chunk.speaker, group=group)
            self._channels[key] = channel
        return self._channels[key]

    def _known_until(self, channels: Collection[ChannelState]) -> int | None:
        """Return the sample before which the rows of all channels are known; None for all rows."""
        if self.ended:
            return None if self.is_complete else 0
        n_begun = len({channel.channel for channel in channels if channel.spans})
        if n_begun < len(self.info.channel_names) or not all(channel.spans for channel in channels):
            return 0
        firsts = [channel.spans[min(channel.n_done, len(channel.spans) - 1)] for channel in channels]
        return min((span.start for span in firsts), default=0)

    def _segment(self, channel: ChannelState, number: int) -> Row:
        span = channel.spans[number]
        is_last = self.ended and number == len(channel.spans) - 1
        return {
            "file": self.source.file,
            "channel": channel.channel,
            "speaker": channel.speaker,
            "segment": number,
            "start_s": span.start / SAMPLE_RATE,
            "end_s": self._end_s(span, is_last),
            "speech": span.speech,
            "padded": span.n_samples < self.task.settings.reader_options.n_samples,
            **channel.consume(number),
        }

    def _end_s(self, span: SegmentSpan, is_last: bool) -> float:
        """Return the end of a segment; resampling has moved the recording's own by less than a sample."""
        end_s = span.end / SAMPLE_RATE
        return self.info.duration_s if is_last and abs(end_s - self.info.duration_s) < 2 / SAMPLE_RATE else end_s

    def _outcome(self, channel: ChannelState, shortfall: str | None) -> Row:
        row: Row = {"channel": channel.channel, "speaker": channel.speaker, "n_segments": len(channel.spans)}
        row["speech_s"] = channel.speech_s
        if not channel.n_consumed:
            reason = "too little speech in every segment" if channel.speech_s else "no speech found"
            if not channel.spans and self.task.settings.turns is not None:
                reason = "no turns were given for this channel"
            return row | {"status": Status.NO_SPEECH, "error": shortfall or reason}
        status = Status.TRUNCATED if shortfall else Status.OK
        return row | {"status": status, "error": shortfall, "model": self.model} | channel.accumulator.result()

    def _facts(self) -> Row:
        """Return the columns that do not depend on the outcome."""
        size_bytes, mtime_us, target, _, turns = signature_of(self.source)
        opened = self.info.sample_rate > 0
        return {
            "file": self.source.file,
            "duration_s": self.info.duration_s if opened else None,
            "sample_rate": self.info.sample_rate if opened else None,
            "n_segments": 0,
            "size_bytes": size_bytes,
            "mtime": mtime_us,
            "note": join_notes(self.info.note, self._note_on_turns()),
            "target": target,
            "turns": turns,
            "retry": self.failure is not None and self.failure.retry,
        }

    def _note_on_turns(self) -> str | None:
        turns = self.task.settings.turns
        lacks_turns = turns is not None and turns.of(self.source.file) is None
        return "no turns were given; classified without regard to speakers" if lacks_turns else None


def compared(rows: list[Row], overlap_s: float | None) -> list[Row]:
    """Add to the rows of several channels or speakers how speech is shared between them.

    Args:
        rows: of one recording, with ``speech_s``.
        overlap_s: seconds in which several channels contain speech; None if it is unknown.

    Examples:
        >>> [row["talk_share"] for row in compared([{"speech_s": 1.0}, {"speech_s": 3.0}], 0.5)]
        [0.25, 0.75]
    """
    total_s = sum(row["speech_s"] or 0.0 for row in rows)
    are_compared = len(rows) > 1 and total_s > 0
    for row in rows:
        row["talk_share"] = row["speech_s"] / total_s if are_compared else None
        row["overlap_s"] = overlap_s
    return rows
