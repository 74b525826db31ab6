"""Subtitles of each channel: SubRip (SRT) and WebVTT. A cue is a label with its probability, ``anger 85 %``."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from pcqtool.exports.lines import channel_tag, merged
from pcqtool.exports.names import OutputNames
from pcqtool.exports.recordings import AnnotatedTrack, Annotation, What, annotated_recordings
from pcqtool.exports.text import one_line
from pcqtool.files.atomic import write_whole

if TYPE_CHECKING:
    from pcqtool.batch.results import Results

Cue = tuple[AnnotatedTrack, Annotation]


def write_srt(results: Results, out: Path, what: What) -> list[Path]:
    """Write a SubRip file for each recording and channel; ``anna: anger 85 %`` if speakers are known.

    Raises:
        TableError: if a table is missing or damaged.
        FileError: if a file cannot be written.
    """
    return _write(results, out, what, ".srt", _srt)


def write_vtt(results: Results, out: Path, what: What) -> list[Path]:
    """Write a WebVTT file for each recording and channel; speakers are voices, ``<v anna>anger 85 %``.

    Raises:
        TableError: if a table is missing or damaged.
        FileError: if a file cannot be written.
    """
    return _write(results, out, what, ".vtt", _vtt)


def _write(results: Results, out: Path, what: What, suffix: str, text: Callable[[list[Cue]], str]) -> list[Path]:
    names, written = OutputNames(results.files["file"]), []
    for recording in annotated_recordings(results, (what,)):
        channels = recording.by_channel()
        for channel, tracks in channels.items():
            path = out / names.path(recording.file, channel_tag(channel, len(channels)) + suffix)
            write_whole(path, text(merged(tracks, what)).encode())
            written.append(path)
    return written


def _srt(cues: list[Cue]) -> str:
    return "".join(
        f"{number}\n{_span(note, ',')}\n{_speaker(track)}{_shown(note)}\n\n"
        for number, (track, note) in enumerate(cues, 1)
    )


def _vtt(cues: list[Cue]) -> str:
    voiced = [(f"<v {_escaped(track.speaker)}>" if track.speaker else "", note) for track, note in cues]
    return "WEBVTT\n\n" + "".join(f"{_span(note, '.')}\n{voice}{_escaped(_shown(note))}\n\n" for voice, note in voiced)


def _speaker(track: AnnotatedTrack) -> str:
    return "" if track.speaker is None else f"{one_line(track.speaker)}: "


def _shown(note: Annotation) -> str:
    label = one_line(note.label)
    return label if note.confidence is None else f"{label} {note.confidence:.0%}".replace("%", " %")


def _escaped(text: str) -> str:
    """Return text as WebVTT has it: markup and ``-->`` are not possible."""
    return escape(one_line(text), quote=False)


def _span(note: Annotation, point: str) -> str:
    return f"{_time(note.start_s, point)} --> {_time(note.end_s, point)}"


def _time(seconds: float, point: str) -> str:
    """Return a time as ``01:02:03,456``."""
    minutes, ms = divmod(round(seconds * 1000), 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{ms // 1000:02}{point}{ms % 1000:03}"
