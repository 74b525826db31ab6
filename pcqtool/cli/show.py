"""``pcqtool show``: a result, or one of its recordings, in the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from pcqtool.cli.common import completion, console, options
from pcqtool.cli.common.progress import duration_in_words
from pcqtool.cli.common.text import clock_text
from pcqtool.json_format import JsonFormat
from pcqtool.report.label_look import label_colour, label_letters

if TYPE_CHECKING:
    from pcqtool.report.recording_result import RecordingResult, TrackResult
    from pcqtool.report.summary import EmotionEvent, ResultSummary

SHOWN_ROWS = 20
SHOWN_FAILURES = 5
_MAX_NAME = 14  # characters of a channel's or speaker's name beside its timeline
_MAX_BAR = 40
_MARK_WIDTH = 10  # cells from one time mark to the next, at least


def show(
    result: options.Result,
    file: Annotated[
        str | None,
        typer.Argument(
            metavar="FILE",
            help="One recording: its name in the table, or the end of it.",
            autocompletion=completion.recordings,
            show_default=False,
        ),
    ] = None,
    top: Annotated[
        int, typer.Option("--top", min=0, metavar="N", help="Longest and strongest events of each emotion.")
    ] = 1,
    everything: Annotated[bool, typer.Option("--all", help="Show every failed recording, event and segment.")] = False,
    json: options.Json = False,
) -> None:
    """Show a result in the terminal, or one of its recordings.

    Without FILE: hours, emotions by time, failures and the most notable events. With FILE: a timeline of each channel
    or speaker, with its events and segments.
    """
    if file is None:
        from pcqtool.report.summary import summarise

        summary = summarise(result, n_events=top, n_failures=2**31 if everything else SHOWN_FAILURES)
        if json:
            console.print_json(JsonFormat.SHOW, {"result": result, "summary": summary})
        else:
            _show_summary(summary)
        return
    from pcqtool.report.recording_result import find_recording

    recording = find_recording(result, file)
    if json:
        console.print_json(JsonFormat.SHOW, {"result": result, "recording": recording})
    else:
        _show_recording(recording, None if everything else SHOWN_ROWS)


def _show_summary(summary: ResultSummary) -> None:
    speech = None if summary.speech_s is None else duration_in_words(summary.speech_s)
    rows = f" ({summary.n_rows:,} channels or speakers)" if summary.n_rows != summary.n_recordings else ""
    console.print_fields(
        {
            "model": summary.model,
            "license": summary.license,
            "recordings": f"{summary.n_recordings:,}{rows}",
            "audio": duration_in_words(summary.duration_s),
            "speech": speech,
            "status": ", ".join(f"{name} {n:,}" for name, n in summary.statuses.items()),
        }
    )
    if summary.label_time_s:
        _heading("Emotions by time")
        texts = {label: duration_in_words(seconds) for label, seconds in summary.label_time_s.items()}
        console.print_styled(_bars(summary.shares, texts))
    if summary.n_failed:
        _heading("Failed")
        console.print_styled([[(f"{file}: {error}", "")] for file, error in summary.failures.items()])
        _more(summary.n_failed - len(summary.failures))
    for title, events in (("Longest events", summary.longest), ("Strongest events", summary.strongest)):
        if events:
            _heading(title)
            _event_table([event for each in events.values() for event in each], with_file=True)


def _show_recording(recording: RecordingResult, n_shown: int | None) -> None:
    console.print_fields(
        {
            "recording": recording.file,
            "model": recording.model,
            "audio": None if recording.duration_s is None else duration_in_words(recording.duration_s),
        }
    )
    for track in recording.tracks:
        _heading(_track_name(track) or "Result")
        console.print_fields(
            {
                "label": _with_confidence(track),
                "status": track.status if track.status != "ok" else None,
                "error": track.error,
                "note": track.note,
                "speech": None if track.speech_s is None else duration_in_words(track.speech_s),
                "talk share": None if track.talk_share is None else f"{100 * track.talk_share:.0f} %",
            }
        )
        shares = {label: share for label, share in track.shares.items() if share > 0}
        console.print_styled(_bars(dict(sorted(shares.items(), key=lambda item: -item[1])), {}))
    if recording.duration_s and any(track.segments for track in recording.tracks):
        _heading("Timeline")
        console.print_styled(_timeline(recording))
    if events := sorted((e for track in recording.tracks for e in track.events), key=lambda e: e.start_s):
        _heading("Events")
        _event_table(events[:n_shown], with_file=False)
        _more(len(events[n_shown:]) if n_shown else 0, " (--all shows them)")
    _segment_table(recording, n_shown)


def _with_confidence(track: TrackResult) -> str | None:
    if track.confidence is None:
        return None
    return f"{track.label or 'unsure'}, confidence {track.confidence:.2f}"


def _track_name(track: TrackResult) -> str:
    channel = "" if track.channel is None else "mix" if track.channel == "mix" else f"channel {track.channel}"
    return f"{channel}, {track.speaker}" if channel and track.speaker else channel or track.speaker or ""


def _bars(shares: Mapping[str, float], texts: Mapping[str, str]) -> Iterator[list[console.Piece]]:
    """Yield a line for each label: name, text, share, and a bar as long as the width allows."""
    block = "█" if console.can_print("█") else "#"
    name_width = max(map(len, shares), default=0)
    text_width = max(map(len, texts.values()), default=0)
    room = min(_MAX_BAR, console.width() - name_width - text_width - 11 - 2 * bool(texts))
    longest = max(shares.values(), default=1.0)
    for label, share in shares.items():
        text = f"  {texts.get(label, ''):>{text_width}}" if texts else ""
        bar = block * max(1, round(max(room, 1) * share / longest))
        yield [(f"{label:<{name_width}}{text}  {100 * share:>5.1f} %  ", ""), (bar, label_colour(label))]


def _timeline(recording: RecordingResult) -> Iterator[list[console.Piece]]:
    """Yield a strip for each channel or speaker, the time marks, and the legend."""
    from pcqtool.report.emotion_strip import emotion_strip

    duration_s = recording.duration_s or 0.0
    names = [_short_name(track) for track in recording.tracks]
    margin = max(map(len, names)) + 2
    n_cells = max(_MARK_WIDTH, console.width() - margin)
    coloured = console.has_colour() and console.can_print("█▒·")
    letters = label_letters(recording.labels)
    empty = "·" if console.can_print("·") else "."
    seen: set[str] = set()
    is_any_weak = False
    for track, name in zip(recording.tracks, names, strict=True):
        strip = emotion_strip(track, recording.labels, duration_s, n_cells)
        pieces: list[console.Piece] = [(f"{name:<{margin}}", "")]
        for cell in strip:
            if cell is None:
                pieces.append((empty, "dim"))
                continue
            seen.add(cell.label)
            is_any_weak |= not cell.is_event
            letter = letters[cell.label]
            if coloured:
                pieces.append(("█" if cell.is_event else "▒", label_colour(cell.label)))
            else:
                pieces.append((letter if cell.is_event else letter.lower(), ""))
        yield pieces
    yield [(" " * margin + _marks(duration_s, n_cells), "dim")]
    yield from _legend([label for label in recording.labels if label in seen], letters, coloured, is_any_weak, empty)


def _short_name(track: TrackResult) -> str:
    """Return a channel's name, or a speaker's, cut to a few characters."""
    name = track.speaker or _track_name(track) or "?"
    return name if len(name) <= _MAX_NAME else f"{name[: _MAX_NAME - 1]}…"


def _marks(duration_s: float, n_cells: int) -> str:
    """Return the time marks under a strip: ``|0:00:00   |0:01:00``."""
    from pcqtool.report.emotion_strip import mark_step_s

    step_s = mark_step_s(duration_s, n_cells, _MARK_WIDTH)
    line = ""
    for number in range(int(duration_s / step_s) + 1):
        place, text = int(number * step_s * n_cells / duration_s), f"|{clock_text(number * step_s)}"
        if place + len(text) <= n_cells:
            line = f"{line:<{place}}{text}"
    return line


def _legend(
    labels: Iterable[str], letters: Mapping[str, str], coloured: bool, is_any_weak: bool, empty: str
) -> Iterator[list[console.Piece]]:
    entries: list[list[console.Piece]] = [
        [("█" if coloured else letters[label], label_colour(label) if coloured else ""), (f" {label}", "")]
        for label in labels
    ]
    if is_any_weak:
        entries.append([("▒ no event" if coloured else "small letter: no event", "")])
    entries.append([(f"{empty} not classified", "")])
    line: list[console.Piece] = []
    for entry in entries:
        n = sum(len(text) for text, _ in (*line, *entry))
        if line and n + 2 > console.width():
            yield line
            line = []
        line = [*line, *([("  ", "")] if line else []), *entry]
    yield line


def _event_table(events: Sequence[EmotionEvent], *, with_file: bool) -> None:
    has_speaker = any(event.speaker is not None for event in events)
    columns = ["label", *(["file"] if with_file else []), "channel", *(["speaker"] if has_speaker else [])]
    columns = [*columns, "start", "duration", "confidence", "peak"]
    rows = [
        [
            event.label,
            *([event.file] if with_file else []),
            event.channel,
            *([event.speaker] if has_speaker else []),
            clock_text(event.start_s),
            f"{event.duration_s:.1f} s",
            f"{event.confidence:.2f}",
            f"{event.peak:.2f}",
        ]
        for event in events
    ]
    styles = {event.label: label_colour(event.label) for event in events}
    console.print_table(columns, rows, styles=styles, frame=False)


def _segment_table(recording: RecordingResult, n_shown: int | None) -> None:
    found = [(track, segment) for track in recording.tracks for segment in track.segments]
    if not found:
        return
    found.sort(key=lambda each: each[1].start_s)
    has_speaker = any(track.speaker is not None for track in recording.tracks)
    _heading("Segments")
    rows = [
        [
            clock_text(segment.start_s),
            f"{segment.end_s - segment.start_s:.1f} s",
            track.channel,
            *([track.speaker] if has_speaker else []),
            segment.label,
            None if segment.confidence is None else f"{segment.confidence:.2f}",
            None if segment.speech is None else f"{100 * segment.speech:.0f} %",
        ]
        for track, segment in found[:n_shown]
    ]
    columns = ["start", "duration", "channel", *(["speaker"] if has_speaker else []), "label", "confidence", "speech"]
    styles = {label: label_colour(label) for label in recording.labels}
    console.print_table(columns, rows, styles=styles, frame=False)
    _more(len(found[n_shown:]) if n_shown else 0, " (--all shows them)")


def _heading(text: str) -> None:
    console.print_styled([[], [(text, "bold")]])


def _more(n: int, how: str = "") -> None:
    if n > 0:
        console.print_text(f"and {n:,} more{how}")
