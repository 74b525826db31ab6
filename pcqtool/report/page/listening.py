"""Sound for the page: where its recordings are from the page's folder, or short clips inside the page."""

from __future__ import annotations

import base64
import io
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from pcqtool.batch.names import path_of, unescape_path
from pcqtool.errors import AudioError, ReportError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pcqtool.report.page.tables import PageTables

CLIP_S = 8.0
"""Longest clip in the page; of a longer event, the stretch around its peak."""

_EDGE_S = 0.2  # before and after the event
_N_TRIED = 200  # recordings that are looked for


@dataclass(frozen=True)
class Clips:
    """Clips of events as FLAC in base64, by the event's number, with their starts in seconds; and what went wrong."""

    sounds: dict[int, dict[str, Any]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def audio_root(given: Path | None, recorded: str | None, names: Sequence[str]) -> str | None:
    """Return the folder of the recordings: the given one, else the table's root, if recordings are there.

    Raises:
        SettingsError: if none of the recordings is in the given folder.
    """
    root = str(given.absolute()) if given is not None else recorded
    if root is None:
        return None
    if any(os.path.isfile(path_of(name, root)) for name in names[:_N_TRIED]):  # noqa: PTH113
        return root
    if given is None or not names:
        return None
    raise SettingsError(
        f"no recording of the results is in {given}, not even {names[0]}",
        "Name the folder that the names in the table are relative to with --audio.",
    )


def audio_links(root: str, names: Sequence[str], folder: Path) -> dict[str, Any]:
    """Return what leads from the page's folder to recordings: one beginning, and the paths that it does not fit.

    Paths are relative and percent-encoded. Names with a backslash stand for other bytes and get their own path.
    """
    try:
        start = os.path.relpath(root, folder)
    except ValueError as fault:  # on another drive of Windows
        raise SettingsError(
            f"no path leads from {folder} to {root}", "Write the page to the drive of the recordings, or use --embed."
        ) from fault
    beginning = _url(start) + "/"
    others = {n: beginning + _url(unescape_path(name)) for n, name in enumerate(names) if "\\" in name}
    return {"base": beginning, "others": others}


def cut_clips(tables: PageTables, root: str, events: Iterable[int], limit_mb: float) -> Clips:
    """Cut events out of their recordings; each has only its own channel.

    Args:
        tables: the tables of the run.
        root: folder of the recordings.
        events: numbers of events.
        limit_mb: largest size of all clips together, in megabytes of the page.

    Raises:
        ReportError: if the clips are larger than the limit.
    """
    from pcqtool.audio.reader import load_waveform

    clips = Clips()
    n_bytes, n_failed = 0, 0
    wanted = sorted(set(events))
    for done, number in enumerate(wanted, 1):
        event = tables.events.row(number, named=True)
        row = tables.files.row(event["row"], named=True)
        start_s, end_s = clip_span(event["start_s"], event["end_s"], event["peak_s"], row["duration_s"])
        channel = int(row["channel"]) if (row["channel"] or "").isdigit() else None
        try:
            wave = load_waveform(path_of(row["file"], root), start_s, end_s, channel)
        except AudioError as fault:
            n_failed += 1
            if n_failed == 1:
                clips.notes.append(f"a clip is missing: {fault.what}")
            continue
        sound = base64.b64encode(_flac(wave)).decode("ascii")
        n_bytes += len(sound)
        if n_bytes > limit_mb * 1e6:
            raise ReportError(
                f"the clips take more than {limit_mb:g} MB: {done} of {len(wanted)} clips are {n_bytes / 1e6:.1f} MB",
                "Take fewer with --moments, raise --embed-limit, or leave --embed out and share the recordings.",
            )
        clips.sounds[number] = {"start": round(start_s, 2), "end": round(end_s, 2), "data": sound}
    if n_failed > 1:
        clips.notes[:] = [f"{clips.notes[0]}; {n_failed} clips in all"]
    return clips


def clip_span(start_s: float, end_s: float, peak_s: float | None, duration_s: float | None) -> tuple[float, float]:
    """Return start and end of the clip of an event, within its recording.

    Examples:
        >>> clip_span(10.0, 14.0, 12.0, 60.0)
        (9.8, 14.2)
        >>> clip_span(0.0, 30.0, 20.0, 30.0)
        (18.0, 26.0)
    """
    first, last = start_s - _EDGE_S, end_s + _EDGE_S
    if last - first > CLIP_S:
        first = min(max(first, (start_s if peak_s is None else peak_s) - CLIP_S / 4), last - CLIP_S)
        last = first + CLIP_S
    return max(0.0, first), last if duration_s is None else min(last, duration_s)


def _flac(wave: Any) -> bytes:
    import soundfile

    from pcqtool.audio.segment import SAMPLE_RATE

    sound = io.BytesIO()
    soundfile.write(sound, wave.clip(-1.0, 1.0), SAMPLE_RATE, format="FLAC", subtype="PCM_16")
    return sound.getvalue()


def _url(path: str) -> str:
    return quote(os.fsencode(path.replace(os.sep, "/")))
