"""Formats with tiers: TextGrid of Praat, and EAF of ELAN. Each channel or speaker has a tier of events and of segments.

The intervals of a tier cannot overlap. Segments that do, as with ``--hop 1``, are distributed over several tiers.
"""

from __future__ import annotations

import mimetypes
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from pcqtool.exports.names import OutputNames
from pcqtool.exports.recordings import (
    AnnotatedRecording,
    AnnotatedTrack,
    Annotation,
    What,
    annotated_recordings,
    has_events,
)
from pcqtool.exports.text import one_line
from pcqtool.files.atomic import write_whole

if TYPE_CHECKING:
    from pcqtool.batch.results import Results

_DIGITS = 6  # of a time in seconds

_WAVE = "audio/x-wav"  # what ELAN calls it; Python's name depends on its version


def write_textgrid(results: Results, out: Path, what: What) -> list[Path]:
    """Write a TextGrid for each recording; intervals without a label fill the gaps.

    Raises:
        TableError: if a table is missing or damaged.
        FileError: if a file cannot be written.
    """
    from praatio.textgrid import IntervalTier, Textgrid

    def save(recording: AnnotatedRecording, path: Path, draft: Path) -> None:
        end_s = round(recording.duration_s, _DIGITS)
        grid = Textgrid(0.0, end_s)
        for name, _, notes in _tiers(recording):
            spans = ((round(note.start_s, _DIGITS), round(note.end_s, _DIGITS), note.label) for note in notes)
            entries = [(start_s, until_s, one_line(label)) for start_s, until_s, label in spans if start_s < until_s]
            grid.addTier(IntervalTier(name, entries, 0.0, end_s))
        grid.save(str(draft), format="long_textgrid", includeBlankSpaces=True)

    return _write_each(results, out, ".TextGrid", save)


def write_eaf(results: Results, out: Path, what: What) -> list[Path]:
    """Write an ELAN file for each recording, which refers to the recording by a relative path. Times are in whole ms.

    Raises:
        TableError: if a table is missing or damaged.
        FileError: if a file cannot be written.
    """
    from pympi.Elan import Eaf

    def save(recording: AnnotatedRecording, path: Path, draft: Path) -> None:
        eaf = Eaf(author="pcqtool", suppress_version_warning=True)
        eaf.remove_tier("default")
        media = _relative_media(results, recording.file, path)
        eaf.add_linked_file(media, media, mimetype=_mime_type(recording.file))
        for name, track, notes in _tiers(recording):
            eaf.add_tier(name, part=None if track.speaker is None else one_line(track.speaker))
            for note in notes:
                start, end = round(note.start_s * 1000), round(note.end_s * 1000)
                eaf.add_annotation(name, start, max(end, start + 1), one_line(note.label))
        eaf.to_file(str(draft))

    return _write_each(results, out, ".eaf", save)


def _write_each(
    results: Results, out: Path, suffix: str, save: Callable[[AnnotatedRecording, Path, Path], None]
) -> list[Path]:
    """Write a file for each recording: ``save`` gets the recording, its path, and a draft that it writes instead."""
    names, written = OutputNames(results.files["file"]), []
    with TemporaryDirectory(prefix="pcqtool-") as folder:
        for recording in annotated_recordings(results, _kinds(results)):
            path, draft = out / names.path(recording.file, suffix), Path(folder, f"draft{suffix}")
            draft.unlink(missing_ok=True)
            save(recording, path, draft)
            write_whole(path, draft.read_bytes())
            written.append(path)
    return written


def _kinds(results: Results) -> tuple[What, ...]:
    return ("events", "segments") if has_events(results) else ("segments",)


def _tiers(recording: AnnotatedRecording) -> Iterator[tuple[str, AnnotatedTrack, list[Annotation]]]:
    """Yield the tiers of a recording, each with a unique name such as ``segments``, or ``events ch0 anna``."""
    taken = set()
    several = len(recording.by_channel()) > 1
    for track in recording.tracks:
        channel = f"ch{track.channel}" if track.channel.isdecimal() else track.channel
        place = (channel if several else "", one_line(track.speaker or ""))
        for kind, notes in track.annotations.items():
            for lane in _lanes(notes):
                plain = " ".join(filter(None, (kind, *place)))
                name, number = plain, 1
                while name in taken:
                    number += 1
                    name = f"{plain} ({number})"
                taken.add(name)
                yield name, track, lane


def _lanes(notes: list[Annotation]) -> list[list[Annotation]]:
    """Distribute annotations over as few lists as possible, so that those of a list do not overlap; at least one."""
    lanes: list[list[Annotation]] = [[]]
    for note in notes:
        free = next((lane for lane in lanes if not lane or lane[-1].end_s <= note.start_s), None)
        if free is None:
            lanes.append([note])
        else:
            free.append(note)
    return lanes


def _relative_media(results: Results, file: str, path: Path) -> str:
    """Return the path of a recording, relative to the folder of an exported file, with POSIX slashes."""
    from pcqtool.batch.names import path_of

    media = path_of(file, results.provenance.root or ".")
    try:
        media = os.path.relpath(media, path.absolute().parent)
    except ValueError:  # on another drive of Windows
        return one_line(Path(media).as_posix())
    media = media.replace(os.sep, "/")
    return one_line(media if media.startswith("../") else f"./{media}")


def _mime_type(file: str) -> str:
    if file.lower().endswith(".wav"):
        return _WAVE
    return mimetypes.guess_type(f"x{Path(file).suffix}")[0] or "unknown"
