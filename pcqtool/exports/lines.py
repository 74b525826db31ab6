"""Formats with a line per annotation: Audacity's label tracks, RTTM, and selection tables of Raven Pro."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pcqtool.exports.names import OutputNames
from pcqtool.exports.recordings import AnnotatedTrack, Annotation, What, annotated_recordings
from pcqtool.exports.text import one_line, one_word
from pcqtool.files.atomic import replacing, write_whole

if TYPE_CHECKING:
    from pcqtool.batch.results import Results

RAVEN_COLUMNS = (
    "Selection",
    "View",
    "Channel",
    "Begin Time (s)",
    "End Time (s)",
    "Low Freq (Hz)",
    "High Freq (Hz)",
    "Emotion",
    "Confidence",
    "Speaker",
)
"""Raven Pro's own columns, then ours."""

_USUAL_RATE = 16_000  # of a recording whose rate is unknown


def write_audacity(results: Results, out: Path, what: What) -> list[Path]:
    """Write a label track of Audacity for each recording and channel: start and end in seconds, tab, label.

    The label of a speaker's annotation is ``speaker: label``.

    Raises:
        TableError: if a table is missing or damaged.
        FileError: if a file cannot be written.
    """
    names, written = OutputNames(results.files["file"]), []
    for recording in annotated_recordings(results, (what,)):
        channels = recording.by_channel()
        for channel, tracks in channels.items():
            rows = [(note, one_line(_with_speaker(track, note, ": "))) for track, note in merged(tracks, what)]
            lines = [f"{note.start_s:.6f}\t{note.end_s:.6f}\t{text}\n" for note, text in rows]
            path = out / names.path(recording.file, f"{channel_tag(channel, len(channels))}.labels.txt")
            write_whole(path, "".join(lines).encode())
            written.append(path)
    return written


def write_rttm(results: Results, out: Path, what: What) -> list[Path]:
    """Write one RTTM file with a line ``SPEAKER`` per annotation.

    The field of the speaker is the label, or ``speaker:label`` where speakers are known; the field of the confidence is
    the label's. The recording is its name without the suffix. White space and quotes in names become ``_``.

    Raises:
        TableError: if a table is missing or damaged.
        FileError: if the file cannot be written.
    """
    names = OutputNames(results.files["file"], to_text=one_word)
    with replacing(out) as file:
        for recording in annotated_recordings(results, (what,)):
            name = names.stem(recording.file)
            for track, note in merged(recording.tracks, what):
                confidence = "<NA>" if note.confidence is None else f"{note.confidence:.6f}"
                times = f"{track.channel_number} {note.start_s:.6f} {note.end_s - note.start_s:.6f}"
                label = one_word(_with_speaker(track, note, ":"))
                file.write(f"SPEAKER {name} {times} <NA> <NA> {label} {confidence} <NA>\n".encode())
    return [out]


def write_raven(results: Results, out: Path, what: What) -> list[Path]:
    """Write a selection table of Raven Pro for each recording: tab-separated, over all frequencies.

    Raises:
        TableError: if a table is missing or damaged.
        FileError: if a file cannot be written.
    """
    names, written = OutputNames(results.files["file"]), []
    for recording in annotated_recordings(results, (what,)):
        high = (recording.sample_rate or _USUAL_RATE) / 2
        lines = ["\t".join(RAVEN_COLUMNS)]
        for number, (track, note) in enumerate(merged(recording.tracks, what), 1):
            confidence = "" if note.confidence is None else f"{note.confidence:.6f}"
            times = f"{track.channel_number}\t{note.start_s:.6f}\t{note.end_s:.6f}\t0.0\t{high:.1f}"
            texts = f"{one_line(note.label)}\t{confidence}\t{one_line(track.speaker or '')}"
            lines.append(f"{number}\tSpectrogram 1\t{times}\t{texts}")
        path = out / names.path(recording.file, ".selections.txt")
        write_whole(path, "".join(f"{line}\n" for line in lines).encode())
        written.append(path)
    return written


def merged(tracks: list[AnnotatedTrack], what: What) -> list[tuple[AnnotatedTrack, Annotation]]:
    """Return the annotations of several tracks in the order of time, each with its track."""
    pairs = [(track, note) for track in tracks for note in track.annotations[what]]
    return sorted(pairs, key=lambda pair: pair[1][:2])


def channel_tag(channel: str, n_channels: int) -> str:
    """Return the part of a file's name that tells channels apart: ``.ch0``, or '' for the only channel."""
    if n_channels == 1:
        return ""
    return f".ch{channel}" if channel.isdecimal() else f".{one_word(channel)}"


def _with_speaker(track: AnnotatedTrack, note: Annotation, mark: str) -> str:
    return note.label if track.speaker is None else f"{track.speaker}{mark}{note.label}"
