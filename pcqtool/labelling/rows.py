"""Rows of the two tables, made of what the model said about each track."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pcqtool.audio.segment import SAMPLE_RATE
from pcqtool.labelling.decode import Stream
from pcqtool.labelling.judge import Track
from pcqtool.labelling.plan import stamp
from pcqtool.tables.aggregate import aggregate
from pcqtool.tables.provenance import Provenance
from pcqtool.tables.schema import Status, files_schema, probability_columns, segments_schema

Row = dict[str, Any]


class Rows:
    """Collects the rows of a part.

    Args:
        provenance: labels, model and aggregation rule.
        n_samples: of a segment.
    """

    def __init__(self, provenance: Provenance, n_samples: int) -> None:
        self.provenance = provenance
        self.n_samples = n_samples
        self.files: list[Row] = []
        self.segments: list[Row] = []

    def add(self, stream: Stream, tracks: Sequence[Track]) -> None:
        """Make the rows of one recording that has ended: one a channel, or a single one where nothing was heard.

        A recording that fails half-way fails as a whole: whether it gets a judgement must not depend on how much of it
        was read before the fault.
        """
        if stream.error is not None:
            status = Status.EMPTY if stream.source.size_bytes == 0 else Status.FAILED
            self.files.append(_about(stream) | {"status": status, "error": stream.error})
            return
        shortfall = stream.tracks.shortfall
        if not tracks:
            status = Status.TRUNCATED if shortfall else Status.EMPTY
            self.files.append(_about(stream) | {"status": status, "error": shortfall or "no audio in the file"})
        for track in tracks:
            self.files.append(_about(stream) | self._judgement(track, shortfall))
            self.segments += self._segments(stream, track)

    def tables(self) -> tuple[pa.Table, pa.Table]:
        """Give the file table and the segment table."""
        labels = self.provenance.labels
        files = pa.Table.from_pylist(self.files, files_schema(labels))
        segments = pa.Table.from_pylist(self.segments, segments_schema(labels))
        return files, segments

    def _judgement(self, track: Track, shortfall: str | None) -> Row:
        row: Row = {"channel": track.channel, "n_segments": len(track.n_samples), "speech_s": track.speech_s}
        if not track.log_probs:
            return row | {"status": Status.NO_SPEECH, "error": shortfall or "no speech found"}
        durations_s = np.array([track.n_samples[number] for number in track.log_probs]) / SAMPLE_RATE
        rule = self.provenance.aggregation
        row |= self._labelled(aggregate(np.stack(list(track.log_probs.values())), durations_s, rule))
        status = Status.TRUNCATED if shortfall else Status.OK
        return row | {"status": status, "error": shortfall, "method": rule, "model": self.provenance.model}

    def _segments(self, stream: Stream, track: Track) -> list[Row]:
        """Make a track's segments, which lie end to end; the last one ends where the recording does, to the digit."""
        rows = []
        for number, n in enumerate(track.n_samples):
            start = number * self.n_samples
            row: Row = {"file": stream.source.file, "channel": track.channel, "segment": number}
            row |= {"start_s": start / SAMPLE_RATE, "end_s": (start + n) / SAMPLE_RATE}
            row |= {"speech": track.speech[number], "padded": n < self.n_samples}
            if number in track.log_probs:
                row |= self._labelled(np.exp(track.log_probs[number]))
            rows.append(row)
        rows[-1]["end_s"] = stream.tracks.duration_s
        return rows

    def _labelled(self, probabilities: NDArray[np.float64]) -> Row:
        best = int(probabilities.argmax())
        columns = probability_columns(self.provenance.labels)
        return {
            "label": self.provenance.labels[best],
            "confidence": probabilities[best],
            **dict(zip(columns, probabilities.tolist(), strict=True)),
        }


def _about(stream: Stream) -> Row:
    """Give what is known of a recording whatever became of it."""
    size_bytes, mtime_us = stamp(stream.source)
    opened = stream.tracks.sample_rate > 0
    return {
        "file": stream.source.file,
        "duration_s": stream.tracks.duration_s if opened else None,
        "sample_rate": stream.tracks.sample_rate if opened else None,
        "n_segments": 0,
        "size_bytes": size_bytes,
        "mtime": mtime_us,
    }
