"""A recording's rows in the two tables, each made as soon as all of it is known."""

from __future__ import annotations

from pcqtool.audio.channel_segmenter import Chunk
from pcqtool.audio.segment import SAMPLE_RATE
from pcqtool.batch.batcher import Batcher, ChannelState
from pcqtool.batch.names import signature_of
from pcqtool.batch.prefetch import Stream
from pcqtool.batch.task import BatchTask, Row
from pcqtool.tables.schema import Status


class RecordingRows:
    """A recording and its tracks.

    Args:
        stream: the recording.
        work: what is made of it.
        model: name of the model, for the rows.

    Attributes:
        ended: whether all of its chunks were added.
    """

    def __init__(self, stream: Stream, work: BatchTask, model: str) -> None:
        self.stream = stream
        self.work = work
        self.model = model
        self.ended = False
        self.n_samples = work.settings.reading.n_samples
        self._tracks: dict[str, ChannelState] = {}
        self._n_given = 0  # segments of each track whose rows were given

    def add(self, chunk: Chunk, batches: Batcher) -> None:
        """Take a chunk."""
        track = self._tracks.setdefault(chunk.channel, ChannelState(chunk.channel, self.work.tally()))
        batches.add(track, chunk)

    @property
    def settled(self) -> bool:
        """Whether all rows can be made."""
        return self.ended and not any(track.waiting for track in self._tracks.values())

    @property
    def void(self) -> bool:
        """Whether rows of segments were given that do not hold, since the recording failed later on.

        A recording that fails half-way fails as a whole: whether something is made of it must not depend on how much
        of it was read before the fault.
        """
        return self.stream.error is not None and self._n_given > 0

    def segments(self) -> list[Row]:
        """Return the rows of segments that are known and were not given yet, ordered by start, then channel.

        Segments lie end to end; the last one, which ends where the recording does to the digit, waits for its end.
        """
        if self.ended and self.stream.error is not None:
            return []
        tracks = [self._tracks[channel] for channel in sorted(self._tracks)]
        first, self._n_given = self._n_given, max(self._n_given, self._n_known(tracks))
        numbers = range(first, self._n_given)
        return [self._segment(track, n) for n in numbers for track in tracks if n < len(track.n_samples)]

    def files(self) -> list[Row]:
        """Return the rows of a recording that is settled: one a channel, or a single one where nothing was heard."""
        if self.stream.error is not None:
            status = Status.EMPTY if self.stream.source.size_bytes == 0 else Status.FAILED
            return [self._about() | {"status": status, "error": self.stream.error}]
        shortfall = self.stream.tracks.info.shortfall
        if not self._tracks:
            status = Status.TRUNCATED if shortfall else Status.EMPTY
            return [self._about() | {"status": status, "error": shortfall or "no audio in the file"}]
        return [self._about() | self._outcome(track, shortfall) for track in self._tracks.values()]

    def _n_known(self, tracks: list[ChannelState]) -> int:
        """Count the segments whose rows can be made, of all tracks alike."""
        if self.ended:
            return max((track.n_settled for track in tracks), default=0) if self.settled else self._n_given
        if len(tracks) < len(self.stream.tracks.info.channel_names):
            return 0
        return min((min(track.n_settled, len(track.n_samples) - 1) for track in tracks), default=0)

    def _segment(self, track: ChannelState, number: int) -> Row:
        start, n = number * self.n_samples, track.n_samples[number]
        last = self.ended and number == len(track.n_samples) - 1
        return {
            "file": self.stream.source.file,
            "channel": track.channel,
            "segment": number,
            "start_s": start / SAMPLE_RATE,
            "end_s": self.stream.tracks.info.duration_s if last else (start + n) / SAMPLE_RATE,
            "speech": track.speech[number],
            "padded": n < self.n_samples,
            **track.take(number),
        }

    def _outcome(self, track: ChannelState, shortfall: str | None) -> Row:
        row: Row = {"channel": track.channel, "n_segments": len(track.n_samples), "speech_s": track.speech_s}
        if not track.n_taken:
            return row | {"status": Status.NO_SPEECH, "error": shortfall or "no speech found"}
        status = Status.TRUNCATED if shortfall else Status.OK
        return row | {"status": status, "error": shortfall, "model": self.model} | track.tally.result()

    def _about(self) -> Row:
        """Give what is known of a recording whatever became of it."""
        size_bytes, mtime_us, target, _ = signature_of(self.stream.source)
        opened = self.stream.tracks.info.sample_rate > 0
        return {
            "file": self.stream.source.file,
            "duration_s": self.stream.tracks.info.duration_s if opened else None,
            "sample_rate": self.stream.tracks.info.sample_rate if opened else None,
            "n_segments": 0,
            "size_bytes": size_bytes,
            "mtime": mtime_us,
            "note": self.stream.tracks.info.note,
            "target": target,
            "retry": self.stream.retry,
        }
