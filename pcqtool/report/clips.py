"""The strongest events as recordings of their own, with a table to correct: ``pcqtool.clips``."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from pcqtool.arguments import StrPath, as_list, as_path
from pcqtool.audio.reader import load_clip
from pcqtool.batch.names import path_of
from pcqtool.batch.results import Results
from pcqtool.errors import AudioError, SettingsError, TableError
from pcqtool.files.atomic import write_whole
from pcqtool.labels import normalise_label
from pcqtool.progress import OnProgress, Progress, ignore
from pcqtool.report.clip_rule import ClipRule
from pcqtool.report.summary import EmotionEvent, first_events, make_events, open_results, scan_emotion_events
from pcqtool.tables.reader import collect_all

TABLE = "metadata.csv"
"""Name of the table beside the clips: that of Hugging Face's audiofolder layout."""

_COLUMNS = ("file_name", "label", "speaker", "session", "start_s", "end_s", "confidence", "peak")
_ORIGIN = ("source", "source_channel", "source_start_s", "source_end_s")
_MAX_NAME = 40  # characters of a recording's name in that of its clip
_UNSAFE = re.compile(r"[^\w.-]+")


@dataclass(frozen=True)
class Clip:
    """An event that was written as a WAV file.

    Attributes:
        file_name: name of the WAV file, in the folder of the table.
        event: the event.
        start_s: start of the event in the clip, in seconds; None if the clip is the event.
        end_s: end of the event in the clip, in seconds; None if the clip is the event.
        source_start_s: start of the clip in the recording, in seconds.
        source_end_s: end of the clip in the recording, in seconds.
        sample_rate: samples per second, the recording's own.
    """

    file_name: str
    event: EmotionEvent
    start_s: float | None
    end_s: float | None
    source_start_s: float
    source_end_s: float
    sample_rate: int = 0


@dataclass(frozen=True)
class ClipFolder:
    """A folder of clips.

    Attributes:
        path: the folder.
        clips: the clips, by label in the model's order, the strongest first.
        failures: recordings that could not be read, with the reason.
    """

    path: Path
    clips: tuple[Clip, ...]
    failures: Mapping[str, str]


def clips(
    results: Results | StrPath,
    out: StrPath,
    *,
    audio: StrPath | None = None,
    label: str | Iterable[str] | None = None,
    rule: ClipRule | None = None,
    on_progress: OnProgress = ignore,
) -> ClipFolder:
    """Write the strongest events of a result as 16-bit WAV files, and their labels as a table, ``metadata.csv``.

    A clip has the sample rate of its recording, and one channel: the event's. The folder is a corpus that ``manifest``
    reads. A recording that cannot be read is a failure in the returned value, and has no row in the table.

    Args:
        results: results of ``label``, ``results.parquet``, or a directory of parts.
        out: the folder, which must not have a table yet.
        audio: folder that the names of recordings are relative to; None for the table's root.
        label: an emotion or several; None for each.
        rule: how many events, and how long; None for the usual rule.
        on_progress: is called with the number of finished clips.

    Raises:
        SettingsError: if the model has no such label, the folder has a table, or the result has no root.
        TableError: if the result is missing or damaged, has no events, or was not made by ``label``.
        FileError: if a file cannot be written.

    Examples:
        >>> import pcqtool
        >>> found = pcqtool.clips("results.parquet", "angry", label="anger")  # doctest: +SKIP
        >>> found.clips[0].file_name, found.failures  # doctest: +SKIP
        ('anger-01-call7-0h03m12s.wav', {})
    """
    rule = rule or ClipRule()
    results = open_results(results)
    folder = as_path(out)
    root = _root(results, audio)
    labels = _labels(results, label)
    if (folder / TABLE).exists():
        raise SettingsError(
            f"{folder / TABLE} exists, and may contain corrected labels", "Choose a new folder with --out."
        )
    planned = _plan(results, labels, rule)
    written: list[Clip] = []
    failures: dict[str, str] = {}
    on_progress(Progress(0, len(planned), "clips"))
    for number, clip in enumerate(planned, start=1):
        try:
            written.append(_write_clip(clip, root, folder))
        except AudioError as fault:
            failures.setdefault(clip.event.file, fault.what)
        on_progress(Progress(number, len(planned), "clips"))
    if written:
        write_whole(folder / TABLE, _table(written))
    return ClipFolder(folder, tuple(written), failures)


def _root(results: Results, audio: StrPath | None) -> str:
    root = results.provenance.root if audio is None else str(as_path(audio).absolute())
    if root is None:
        raise SettingsError(
            f"{results.path} does not state where its recordings are", "Name their folder with --audio."
        )
    return root


def _labels(results: Results, wanted: str | Iterable[str] | None) -> Sequence[str]:
    """Return the labels in the model's order."""
    known = results.provenance.labels
    if wanted is None:
        return known
    names = {each if each in known else normalise_label(each) for each in as_list(wanted)}
    if missing := sorted(names - set(known)):
        raise SettingsError(
            f"the model {results.provenance.model} has no label {missing[0]!r}", f"Labels: {', '.join(known)}."
        )
    return [label for label in known if label in names]


def _plan(results: Results, labels: Sequence[str], rule: ClipRule) -> list[Clip]:
    """Choose the events, and name their clips."""
    import polars as pl

    events = scan_emotion_events(results)
    if events is None:
        raise TableError(f"{results.path}: has no table of events", "Label the recordings again, with --restart.")
    long_enough = events.filter(pl.col("duration_s") >= rule.min_duration_s)
    found = collect_all(
        [first_events(long_enough.filter(pl.col("label") == label), rule.top) for label in labels], results.path
    )
    width = len(str(rule.top))
    return [
        _planned(event, f"{rank:0{width}}", rule)
        for rows in found
        for rank, event in enumerate(make_events(rows), start=1)
    ]


def _planned(event: EmotionEvent, rank: str, rule: ClipRule) -> Clip:
    first_s, last_s = rule.span(event.start_s, event.end_s, event.peak_s)
    source_start_s = max(0.0, first_s - rule.margin_s)
    start_s = first_s - source_start_s if rule.margin_s else None
    end_s = last_s - source_start_s if rule.margin_s else None
    file_name = _file_name(event, rank, first_s)
    return Clip(file_name, event, start_s, end_s, source_start_s, last_s + rule.margin_s)


def _file_name(event: EmotionEvent, rank: str, start_s: float) -> str:
    """Return a clip's name: ``anger-01-call7-ch1-0h03m12s.wav``."""
    minutes, seconds = divmod(int(start_s), 60)
    parts = [_safe(event.label), rank, _safe(PurePosixPath(event.file).stem)[:_MAX_NAME]]
    if _channel(event) is not None:
        parts.append(f"ch{event.channel}")
    if event.speaker is not None:
        parts.append(_safe(event.speaker)[:_MAX_NAME])
    return "-".join((*parts, f"{minutes // 60}h{minutes % 60:02d}m{seconds:02d}s.wav"))


def _safe(text: str) -> str:
    """Return text that every file system accepts in a name."""
    return _UNSAFE.sub("_", unicodedata.normalize("NFC", text)).strip("._-") or "_"


def _channel(event: EmotionEvent) -> int | None:
    return int(event.channel) if event.channel is not None and event.channel.isdecimal() else None


def _write_clip(clip: Clip, root: str, folder: Path) -> Clip:
    """Write a clip; a margin beyond the end of the recording is left out.

    Raises:
        AudioError: if the recording cannot be read.
        FileError: if the clip cannot be written.
    """
    import soundfile

    path = path_of(clip.event.file, root)
    wave, rate = load_clip(path, clip.source_start_s, clip.source_end_s, _channel(clip.event))
    content = io.BytesIO()
    soundfile.write(content, wave, rate, format="WAV", subtype="PCM_16")
    write_whole(folder / clip.file_name, content.getvalue())
    length_s = len(wave) / rate
    end_s = None if clip.end_s is None else min(clip.end_s, length_s)
    return replace(clip, end_s=end_s, source_end_s=clip.source_start_s + length_s, sample_rate=rate)


def _table(written: Iterable[Clip]) -> bytes:
    """Return the table as CSV, with a byte-order mark: without one, Excel does not read it as UTF-8."""
    text = io.StringIO(newline="")
    rows = csv.writer(text)
    rows.writerow((*_COLUMNS, *_ORIGIN))
    rows.writerows(map(_row, written))
    return text.getvalue().encode("utf-8-sig")


def _row(clip: Clip) -> tuple[object, ...]:
    event = clip.event
    source = _printable(event.file)
    channel = "" if event.channel in (None, "mix") else f"#{event.channel}"
    speaker = source + channel if event.speaker is None else _printable(event.speaker)
    times = (_rounded(clip.start_s), _rounded(clip.end_s))
    origin = (source, event.channel, _rounded(clip.source_start_s), _rounded(clip.source_end_s))
    figures = (f"{event.confidence:.3f}", f"{event.peak:.3f}")
    return (clip.file_name, event.label, speaker, source, *times, *figures, *origin)


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)


def _printable(text: str) -> str:
    """Return text without control characters, which a manifest may not contain."""
    return "".join(each if each.isprintable() else "_" for each in text)
