"""Recordings with everything that exports must cope with, and what an export of them must contain."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pyarrow as pa

from pcqtool.tables.schema import events_schema, files_schema, segments_schema

LABELS = ("anger", 'joy & "fun" <b>', "neutral")
ANGER, JOY, NEUTRAL = LABELS
BEN = 'b"en <x> & \n co'
WEIRD = 'd"ir\n\t<é>/=cmd(), "A1"; ü.wav'

Track = tuple[str, str | None, str | None]
Spans = dict[Track, list[tuple[int, int, str]]]

# duration, then for each channel and speaker: events that cover the recording, and segments, which may overlap
RECORDINGS: dict[str, tuple[float | None, dict[tuple[str | None, str | None], tuple[list[Any], list[Any]]]]] = {
    "../../outside/é.wav": (4.0, {("0", None): ([(0.0, 4.0, ANGER)], [(0.0, 3.0, ANGER), (3.0, 4.0, ANGER)])}),
    "./a.wav": (2.0, {("0", None): ([(0.0, 2.0, JOY)], [(0.0, 2.0, JOY)])}),
    "a.mp3": (2.0, {("mix", None): ([(0.0, 2.0, NEUTRAL)], [(0.0, 2.0, NEUTRAL)])}),
    "a.wav": (
        10.0005,
        {
            ("0", None): (
                [(0.0, 3.0004, ANGER), (3.0004, 5.5, None), (5.5, 10.0005, JOY)],
                [(0.0, 3.0, ANGER), (1.0, 4.0, JOY), (2.0, 5.0, None), (3.0, 6.0, ANGER), (7.0, 10.0005, NEUTRAL)],
            )
        },
    ),
    "bad.wav": (None, {(None, None): ([], [])}),
    "call.wav": (
        3723.5,
        {
            ("0", None): ([(0.0, 3600.0, None), (3600.0, 3723.5, NEUTRAL)], [(3600.0, 3603.0, NEUTRAL)]),
            ("1", None): ([(0.0, 59.9996, ANGER), (59.9996, 3723.5, None)], [(0.0, 3.0, ANGER), (3.0, 6.0, JOY)]),
        },
    ),
    WEIRD: (3.0, {("0", None): ([(0.0, 3.0, ANGER)], [(0.0, 3.0, ANGER)])}),
    "empty.wav": (0.0, {("0", None): ([], [])}),
    "silent.wav": (3.0, {("0", None): ([(0.0, 3.0, None)], [(0.0, 3.0, None)])}),
    "talk.wav": (
        6.0,
        {
            ("0", "anna"): ([(0.0, 2.0, ANGER), (2.0, 6.0, None)], [(0.0, 2.0, ANGER)]),
            ("0", BEN): ([(0.0, 1.5, None), (1.5, 6.0, JOY)], [(1.5, 3.5, JOY), (3.5, 6.0, JOY)]),
        },
    ),
}


def tables(recordings: dict[str, Any]) -> dict[str, pa.Table]:
    """Return the three tables of some recordings."""
    files, segments, events = [], [], []
    for file, (duration_s, tracks) in recordings.items():
        for (channel, speaker), (event_spans, segment_spans) in tracks.items():
            own = {"file": file, "channel": channel, "speaker": speaker}
            is_ok = bool(duration_s)
            label = segment_spans[0][2] if segment_spans else None
            predicted = {"label": label, "confidence": None if label is None else 0.75}
            status = "ok" if is_ok else "failed"
            about = {"duration_s": duration_s, "sample_rate": 8000, "n_segments": len(segment_spans), "retry": False}
            files.append(
                {**own, **predicted, **about, "status": status, "error": None if is_ok else "=HYPERLINK()\nno"}
            )
            for kind, rows, spans in (("event", events, event_spans), ("segment", segments, segment_spans)):
                for number, (start_s, end_s, label) in enumerate(spans):
                    confidence = None if label is None else 0.75
                    more = {"padded": False} if kind == "segment" else {}
                    span = {"start_s": start_s, "end_s": end_s, "label": label, "confidence": confidence}
                    rows.append({**own, kind: number, **span, **more})
    schemas = (files_schema(LABELS), segments_schema(LABELS), events_schema(LABELS))
    rows = (files, segments, events)
    made = zip(("files", "segments", "events"), rows, schemas, strict=True)
    return {kind: pa.Table.from_pylist(each, schema=schema) for kind, each, schema in made}


def spans(what: str, with_audio: bool = True) -> Spans:
    """Return the labelled stretches of ``RECORDINGS`` in ms, by file, channel and speaker."""
    found: Spans = defaultdict(list)
    for file, (duration_s, tracks) in RECORDINGS.items():
        for (channel, speaker), (event_spans, segment_spans) in tracks.items():
            if duration_s or not with_audio:
                own = event_spans if what == "events" else segment_spans
                found[file, channel, speaker] = [
                    (round(start_s * 1000), round(end_s * 1000), label) for start_s, end_s, label in own if label
                ]
    return dict(found)


def by_channel(found: Spans, speaker_mark: str | None = None) -> dict[tuple[str, str], list[tuple[int, int, str]]]:
    """Join the speakers of each channel, sorted by time; with a mark, the speaker precedes the label."""
    joined: dict[tuple[str, str], list[tuple[int, int, str]]] = defaultdict(list)
    for (file, channel, speaker), own in found.items():
        before = f"{' '.join(speaker.split())}{speaker_mark}" if speaker and speaker_mark else ""
        joined[file, str(channel)] += [(start, end, before + label) for start, end, label in own]
    return {key: sorted(own) for key, own in joined.items()}
