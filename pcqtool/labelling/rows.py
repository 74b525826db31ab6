"""Rows of the two tables, made of what the model said about each track."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pcqtool.audio.discover import Source
from pcqtool.audio.segment import SAMPLE_RATE, SEGMENT_SAMPLES
from pcqtool.labelling.decode import Decoded
from pcqtool.labelling.judge import Track, spans
from pcqtool.tables.aggregate import aggregate
from pcqtool.tables.provenance import Provenance
from pcqtool.tables.schema import Status, files_schema, probability_columns, segments_schema

Row = dict[str, Any]


class Rows:
    """Collects the rows of a part; its tables come out sorted."""

    def __init__(self, provenance: Provenance) -> None:
        self.provenance = provenance
        self.files: list[Row] = []
        self.segments: list[Row] = []

    def add(self, decoded: Decoded, tracks: Sequence[Track]) -> None:
        """Make the rows of one recording: one a channel, or a single one where it could not be read."""
        if decoded.tracks is None or (decoded.error is not None and not any(t.n_samples for t in tracks)):
            self.files.append(_blank(decoded.source, Status.FAILED, decoded.error))
            return
        reason = decoded.error or decoded.tracks.shortfall
        about = {"duration_s": decoded.tracks.duration_s, "sample_rate": decoded.tracks.sample_rate}
        if not any(track.n_samples for track in tracks):
            status, reason = (Status.TRUNCATED, reason) if reason else (Status.EMPTY, "no audio in the file")
            self.files.append(_blank(decoded.source, status, reason) | about)
            return
        for track in tracks:
            self.segments += self._segments(decoded.source.file, track)
            self.files.append(_blank(decoded.source, Status.OK, reason) | about | self._judgement(track, reason))

    def _judgement(self, track: Track, reason: str | None) -> Row:
        row: Row = {
            "channel": track.channel,
            "n_segments": len(track.n_samples),
            "speech_s": track.speech_s,
            "status": Status.TRUNCATED if reason else Status.OK,
        }
        if not track.judged:
            return row | {"status": Status.NO_SPEECH, "error": reason or "no speech found"}
        log_probs = np.stack([track.log_probs[number] for number in track.judged])
        durations_s = np.array([track.n_samples[number] for number in track.judged]) / SAMPLE_RATE
        probabilities = aggregate(log_probs, durations_s, self.provenance.aggregation)
        row |= {"method": self.provenance.aggregation, "model": self.provenance.model}
        return row | self._labelled(probabilities)

    def _segments(self, file: str, track: Track) -> list[Row]:
        rows = []
        for number, (start_s, end_s, padded) in enumerate(spans(track, SEGMENT_SAMPLES)):
            row: Row = {"file": file, "channel": track.channel, "segment": number, "start_s": start_s, "end_s": end_s}
            row |= {"speech": track.speech[number], "padded": padded}
            if number in track.log_probs:
                row |= self._labelled(np.exp(track.log_probs[number]))
            rows.append(row)
        return rows

    def _labelled(self, probabilities: NDArray[np.float64]) -> Row:
        best = int(probabilities.argmax())
        columns = probability_columns(self.provenance.labels)
        return {
            "label": self.provenance.labels[best],
            "confidence": probabilities[best],
            **dict(zip(columns, probabilities.tolist(), strict=True)),
        }

    def tables(self) -> tuple[pa.Table, pa.Table]:
        """Give the file table and the segment table."""
        labels = self.provenance.labels
        files = pa.Table.from_pylist(self.files, files_schema(labels))
        segments = pa.Table.from_pylist(self.segments, segments_schema(labels))
        return files, segments


def _blank(source: Source, status: Status, reason: str | None) -> Row:
    mtime = None if source.mtime is None else datetime.fromtimestamp(source.mtime, UTC)
    return {
        "file": source.file,
        "n_segments": 0,
        "status": status,
        "error": reason,
        "size_bytes": source.size_bytes,
        "mtime": mtime,
    }
