"""From a file to 16 kHz segments: the audio layer as the rest of the project sees it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from pcqtool.audio import channels
from pcqtool.audio.channel_choice import hear
from pcqtool.audio.channel_segmenter import ChannelSegmenter, Chunk
from pcqtool.audio.channels import ChannelMix
from pcqtool.audio.decoding.recording import Recording, open_recording
from pcqtool.audio.limits import Limits
from pcqtool.audio.resample import resample
from pcqtool.audio.segment import SAMPLE_RATE, SEGMENT_S
from pcqtool.errors import AudioError, SettingsError
from pcqtool.files.display import display_path


@dataclass(frozen=True)
class ReaderOptions:
    """How recordings are read.

    Attributes:
        channels: ``auto``, ``mix``, ``split`` or the number of one channel, counted from 0. What is dead or
            would cancel is not mixed, see :mod:`pcqtool.audio.stereo`.
        vad: whether to tell speech from what is not.
        segment_s: length of a segment.

    Raises:
        SettingsError: a value that cannot be used.
    """

    channels: str = "auto"
    vad: bool = True
    segment_s: float = SEGMENT_S

    def __post_init__(self) -> None:
        channels.check_mode(self.channels)
        if not 0.1 <= self.segment_s <= 60:
            raise SettingsError(f"segments of {self.segment_s} s are not possible", "Use 0.1 to 60 s; the paper has 3.")

    @property
    def n_samples(self) -> int:
        """The length of a segment in samples."""
        return round(self.segment_s * SAMPLE_RATE)


@dataclass(frozen=True)
class RecordingInfo:
    """Facts about a recording, gathered while it is read; complete after the last chunk, or after a failure.

    Attributes:
        duration_s: exact: decoded samples over the file's own rate; up to the point of failure if reading failed.
        sample_rate: the file's own, in Hz; 0 if the file could not be opened.
        channel_names: the output channels, as in :attr:`Chunk.channel`.
        shortfall: why fewer samples were decoded than the header claims; None if all were.
        note: how the recording was read, if not in the usual way, such as channels left out of the mix; None otherwise.
    """

    duration_s: float = 0.0
    sample_rate: int = 0
    channel_names: tuple[str, ...] = ()
    shortfall: str | None = None
    note: str | None = None


class Reader(Protocol):
    """A recording as a stream of chunks of segments. Iterate over it once; memory use is independent of its length.

    Raises:
        AudioError: on iteration, if the file cannot be read, does not have the requested channel or exceeds a limit.
    """

    @property
    def info(self) -> RecordingInfo:
        """Return what is known of the recording so far."""

    def __iter__(self) -> Iterator[Chunk]:
        """Read the recording."""


class SegmentReader:
    """A :class:`Reader` that decodes in the calling thread. The file is opened when the iteration begins.

    Args:
        path: any recording.
        options: how to read it.
        limits: how long it may be, and how many channels it may have.

    Examples:
        >>> reader = SegmentReader("call.wav")  # doctest: +SKIP
        >>> for chunk in reader:  # doctest: +SKIP
        ...     print(chunk.channel, chunk.waves.shape)
    """

    def __init__(self, path: str | Path, options: ReaderOptions | None = None, limits: Limits | None = None) -> None:
        self.path = Path(path)
        self.options = options or ReaderOptions()
        self.limits = limits or Limits()
        self.info = RecordingInfo()

    def __iter__(self) -> Iterator[Chunk]:
        with open_recording(self.path) as recording:
            self.info = RecordingInfo(sample_rate=recording.sample_rate, note=recording.note)
            try:
                self.limits.check_channels(recording.n_channels)
                hearing = hear(recording, self.options.channels, self.limits.max_duration_s)
                tracks = hearing.tracks
                names = tuple(track.name for track in tracks)
                self.info = replace(self.info, channel_names=names, note=join_notes(recording.note, hearing.note))
                lanes = [ChannelSegmenter(name, self.options.n_samples, self.options.vad) for name in names]
                for block in resample(_mixed(recording.blocks(), tracks), recording.sample_rate, len(tracks)):
                    self.limits.check_duration(recording.n_frames / recording.sample_rate)
                    for number, lane in enumerate(lanes):
                        yield from lane.push(np.ascontiguousarray(block[:, number]))
                for lane in lanes:
                    yield from lane.flush()
            finally:
                self.info = replace(self.info, duration_s=recording.n_frames / recording.sample_rate)
            self.info = replace(self.info, shortfall=recording.shortfall)


def load(
    path: str | Path, start_s: float | None = None, end_s: float | None = None, channel: int | None = None
) -> npt.NDArray[np.float32]:
    """Load a recording, or an excerpt of one, for training.

    A whole file has exactly the samples that :class:`SegmentReader` yields for the channel, or for ``mix``. An excerpt
    of a file at a rate other than 16 kHz may differ from the same stretch of the whole file in the last bit.

    Args:
        path: any recording.
        start_s: where the excerpt starts; None for the file's start.
        end_s: where it ends; None for the file's end.
        channel: counted from 0; None for all together, heard as ``mix`` hears the whole file: an excerpt sounds as the
            rest does, and many excerpts cost one look.

    Shape:
        ``(n,)`` float32 at 16 kHz.

    Raises:
        AudioError: the file cannot be read, or has no such channel, or nothing lies between start and end.
    """
    first = round((start_s or 0.0) * SAMPLE_RATE)
    last = None if end_s is None else round(end_s * SAMPLE_RATE)
    with open_recording(path) as recording:
        skipped_s = _skip(recording, start_s or 0.0)
        blocks = _mixed(recording.blocks(), hear(recording, _mode(channel)).tracks)
        first -= skipped_s * SAMPLE_RATE
        last = None if last is None else last - skipped_s * SAMPLE_RATE
        wave = _excerpt(resample(blocks, recording.sample_rate, 1), first, last)
    if not len(wave) and (start_s is not None or end_s is not None):
        raise AudioError(
            f"{display_path(path)}: holds nothing from {start_s} s to {end_s} s", "Check the manifest's times."
        )
    return wave


def probe(path: str | Path) -> tuple[float | None, int, int]:
    """Look at a recording's header alone: length in seconds (None where not stated), channels, rate in Hz.

    Raises:
        AudioError: the file cannot be read.
    """
    with open_recording(path, thorough=False) as recording:
        return recording.claimed_s, recording.n_channels, recording.sample_rate


def describe(path: str | Path, channel: int | None = None) -> tuple[int, str | None]:
    """Return a recording's rate in Hz, and the note on how :func:`load` hears it.

    Raises:
        AudioError: the file cannot be read, or has no such channel.
    """
    with open_recording(path) as recording:
        return recording.sample_rate, join_notes(recording.note, hear(recording, _mode(channel)).note)


def join_notes(*notes: str | None) -> str | None:
    """Make one note of several; None of none."""
    return "; ".join(note for note in notes if note) or None


def _mode(channel: int | None) -> str:
    return "mix" if channel is None else str(channel)


def _mixed(
    blocks: Iterable[npt.NDArray[np.float32]], tracks: tuple[ChannelMix, ...]
) -> Iterator[npt.NDArray[np.float32]]:
    """Blocks ``(n, channels)`` → ``(n, tracks)``."""
    for block in blocks:
        yield np.stack([track.of(block) for track in tracks], axis=1)


def _skip(recording: Recording, start_s: float) -> int:
    """Begin a little before ``start_s`` where the format allows it; give the seconds left out.

    Whole seconds leave the resampler's phase as it is, and a second is far longer than its filter.
    """
    skipped_s = max(0, int(start_s) - 1)
    return skipped_s if skipped_s and recording.seek(skipped_s * recording.sample_rate) else 0


def _excerpt(blocks: Iterable[npt.NDArray[np.float32]], first: int, last: int | None) -> npt.NDArray[np.float32]:
    """Samples ``first`` to ``last`` of a stream of ``(n, 1)`` blocks, which is read no further than that."""
    kept, n_seen = [np.zeros(0, np.float32)], 0
    for block in blocks:
        wanted = block[max(0, first - n_seen) : None if last is None else max(0, last - n_seen), 0]
        n_seen += len(block)
        if len(wanted):  # an empty view would keep its block in memory
            kept.append(wanted)
        if last is not None and n_seen >= last:
            break
    return np.concatenate(kept)
