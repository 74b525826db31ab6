"""Results by recording, as annotation formats need them: tracks with labelled stretches of time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from pcqtool.errors import TableError
from pcqtool.tables.paths import list_tables

if TYPE_CHECKING:
    import polars as pl

    from pcqtool.batch.results import Results

What = Literal["events", "segments"]
"""The tables that have stretches of time."""


class Annotation(NamedTuple):
    """A stretch of time with a label.

    Attributes:
        start_s: start, in seconds from the start of the recording.
        end_s: end, in seconds; after the start, and not after the recording's end.
        label: the emotion.
        confidence: its probability, 0 to 1; None if the table has none.
    """

    start_s: float
    end_s: float
    label: str
    confidence: float | None


@dataclass(frozen=True)
class AnnotatedTrack:
    """A channel of a recording, or a speaker in it; times without a label are left out.

    Attributes:
        channel: ``0``, ``1``, … or ``mix``.
        speaker: name of the speaker; None without turns.
        annotations: by the table that they are from, in the order of time; segments may overlap.
    """

    channel: str
    speaker: str | None
    annotations: dict[What, list[Annotation]]

    @property
    def channel_number(self) -> int:
        """The channel, counted from 1; 1 for a mix."""
        return int(self.channel) + 1 if self.channel.isdecimal() else 1


@dataclass(frozen=True)
class AnnotatedRecording:
    """A recording with audio.

    Attributes:
        file: its name in the tables.
        duration_s: its length in seconds, above 0.
        sample_rate: samples per second; None if unknown.
        tracks: its channels and speakers.
    """

    file: str
    duration_s: float
    sample_rate: int | None
    tracks: list[AnnotatedTrack]

    def by_channel(self) -> dict[str, list[AnnotatedTrack]]:
        """Group the tracks by channel."""
        channels: dict[str, list[AnnotatedTrack]] = {}
        for track in self.tracks:
            channels.setdefault(track.channel, []).append(track)
        return channels


def has_events(results: Results) -> bool:
    """Whether the results have an event table; those of older versions have none."""
    tables = list_tables(results.path, "events")
    return bool(tables) and all(path.exists() for path in tables)


def check_labelled(results: Results) -> None:
    """Check that results are those of ``pcqtool label``.

    Raises:
        TableError: if they contain features, or cannot be read.
    """
    if "label" not in results.files.columns:
        raise TableError(
            f"{results.path}: a table of features, which has no labels", "Name results of 'pcqtool label'."
        )


def annotated_recordings(results: Results, kinds: Sequence[What]) -> Iterator[AnnotatedRecording]:
    """Yield the recordings with audio, in the order of the file table.

    Args:
        results: results of ``pcqtool label``.
        kinds: the tables whose rows become annotations.

    Raises:
        TableError: if a table is missing or damaged.
    """
    import polars as pl

    tables = {kind: _by_file(results.events if kind == "events" else results.segments) for kind in kinds}
    rows = _with_speaker(results.files).filter(pl.col("duration_s") > 0)
    for (file,), tracks in rows.group_by("file", maintain_order=True):
        name = str(file)
        duration_s = float(tracks["duration_s"].max())  # type: ignore[arg-type]
        found = {kind: _annotations(table.get(name), duration_s) for kind, table in tables.items()}
        yield AnnotatedRecording(
            name,
            duration_s,
            tracks["sample_rate"][0],
            [
                AnnotatedTrack(
                    channel or "0", speaker, {kind: found[kind].get((channel, speaker), []) for kind in kinds}
                )
                for channel, speaker in tracks.select("channel", "speaker").rows()
            ],
        )


def _with_speaker(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a table with channel and speaker as text; tables of older versions have no speaker."""
    import polars as pl

    speaker = pl.col("speaker") if "speaker" in frame.columns else pl.lit(None).alias("speaker")
    return frame.with_columns(pl.col("channel").cast(pl.String), speaker.cast(pl.String))


def _by_file(frame: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Return the labelled rows of each recording."""
    import polars as pl

    columns = ("file", "channel", "speaker", "start_s", "end_s", "label", "confidence")
    rows = _with_speaker(frame).filter(pl.col("label").is_not_null()).select(columns)
    rows = rows.with_columns(pl.col("label").cast(pl.String))
    return {str(file): own for (file,), own in rows.partition_by("file", as_dict=True).items()}


def _annotations(rows: pl.DataFrame | None, duration_s: float) -> dict[tuple[str | None, str | None], list[Annotation]]:
    """Return the annotations of each channel and speaker, sorted by time."""
    found: dict[tuple[str | None, str | None], list[Annotation]] = {}
    if rows is None:
        return found
    for _, channel, speaker, start_s, end_s, label, confidence in rows.sort("start_s", maintain_order=True).iter_rows():
        start_s, end_s = max(0.0, start_s), min(end_s, duration_s)
        if start_s < end_s:
            found.setdefault((channel, speaker), []).append(Annotation(start_s, end_s, label, confidence))
    return found
