"""From a file to 16 kHz segments: the interface of the audio layer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from pcqtool.audio.call_detection import choose_channels
from pcqtool.audio.channel_segmenter import ChannelSegmenter, Chunk, SpeechOverlap
from pcqtool.audio.channels import ChannelPlan, check_channel_mode
from pcqtool.audio.cuts import Cutter, GridCutter, PauseCutter, Span, TurnCutter
from pcqtool.audio.decoding.recording import Recording, open_recording
from pcqtool.audio.limits import Limits
from pcqtool.audio.resample import resample
from pcqtool.audio.segment import SAMPLE_RATE, SEGMENT_S
from pcqtool.audio.turns import Turn, turns_of_channel
from pcqtool.errors import AudioError, SettingsError
from pcqtool.files.display import display_path

SEGMENT_MODES = ("grid", "speech")
"""Where recordings are cut into segments, the default first."""


@dataclass(frozen=True)
class ReaderOptions:
    """How recordings are read.

    Attributes:
        channels: ``auto``, ``mix``, ``split`` or the number of one channel, counted from 0. Dead channels and
            channels that would cancel each other are not mixed, see :mod:`pcqtool.audio.call_detection`.
        vad: whether to detect speech.
        segment_s: length of a segment.
        segments: ``grid`` for segments of this length, ``speech`` for stretches of speech of at most this length.
        hop_s: seconds from one segment's start to the next on the grid; None for ``segment_s``, which means no overlap.

    Raises:
        SettingsError: a value is invalid.
    """

    channels: str = "auto"  # or an int
    vad: bool = True
    segment_s: float = SEGMENT_S
    segments: str = SEGMENT_MODES[0]
    hop_s: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "channels", str(self.channels))
        object.__setattr__(self, "segment_s", float(self.segment_s))
        check_channel_mode(self.channels)
        if not isinstance(self.vad, bool):
            raise SettingsError(f"vad must be True or False, not {self.vad!r}")
        if not 0.1 <= self.segment_s <= 60:
            raise SettingsError(
                f"segments of {self.segment_s} s are not possible", "Use 0.1 to 60 s; the paper uses 3."
            )
        if self.segments not in SEGMENT_MODES:
            raise SettingsError(f"segments cannot be {self.segments!r}", f"Known: {', '.join(SEGMENT_MODES)}.")
        if self.segments == "speech" and not self.vad:
            raise SettingsError("segments at pauses need voice activity detection", "Leave --vad off out.")
        if self.hop_s is not None:
            self._check_hop(self.hop_s)

    def _check_hop(self, hop_s: float) -> None:
        if self.segments == "speech":
            raise SettingsError("a hop is for segments on a grid", "Leave out either --hop or --segments speech.")
        if not 0.1 <= hop_s <= self.segment_s:
            raise SettingsError(f"a hop of {hop_s} s is not possible", f"Use 0.1 to {self.segment_s:g} s.")
        object.__setattr__(self, "hop_s", None if hop_s == self.segment_s else float(hop_s))

    def cutters(self, turns: Mapping[str, Sequence[Span]] | None = None) -> dict[str | None, Cutter]:
        """Return the cutters of a channel.

        Args:
            turns: start and end of each speaker's turns, in samples; None if they are unknown.
        """
        if turns is not None:
            return {speaker: TurnCutter(self.n_samples, spans) for speaker, spans in turns.items()}
        if self.segments == "speech":
            return {None: PauseCutter(self.n_samples)}
        return {None: GridCutter(self.n_samples, round((self.hop_s or self.segment_s) * SAMPLE_RATE))}

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
        overlap_s: seconds in which two channels or more contain speech; None for one channel, and without VAD.
    """

    duration_s: float = 0.0
    sample_rate: int = 0
    channel_names: tuple[str, ...] = ()
    shortfall: str | None = None
    note: str | None = None
    overlap_s: float | None = None


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
        turns: who speaks when; None if it is unknown.

    Examples:
        >>> reader = SegmentReader("call.wav", ReaderOptions("split"))
        >>> for chunk in reader:  # doctest: +SKIP
        ...     print(chunk.channel, chunk.waves.shape)
        >>> reader.info.duration_s  # doctest: +SKIP
        6.73
    """

    def __init__(
        self,
        path: str | Path,
        options: ReaderOptions | None = None,
        limits: Limits | None = None,
        turns: Sequence[Turn] | None = None,
    ) -> None:
        self.path = Path(path)
        self.options = options or ReaderOptions()
        self.limits = limits or Limits()
        self.turns = turns
        self.info = RecordingInfo()

    def __iter__(self) -> Iterator[Chunk]:
        with open_recording(self.path) as recording:
            self.info = RecordingInfo(sample_rate=recording.sample_rate, note=recording.note)
            try:
                self.limits.check_channels(recording.n_channels)
                plan = choose_channels(recording, self.options.channels, self.limits.max_duration_s)
                names = tuple(mix.name for mix in plan.mixes)
                self.info = replace(self.info, channel_names=names, note=join_notes(recording.note, plan.note))
                segmenters = [self._segmenter(name) for name in names]
                overlap = SpeechOverlap(segmenters)
                for block in resample(_mix_blocks(recording.blocks(), plan), recording.sample_rate, len(names)):
                    self.limits.check_duration(recording.n_frames / recording.sample_rate)
                    for number, segmenter in enumerate(segmenters):
                        yield from segmenter.push(np.ascontiguousarray(block[:, number]))
                for segmenter in segmenters:
                    yield from segmenter.flush()
                self.info = replace(self.info, overlap_s=overlap.seconds)
            finally:
                self.info = replace(self.info, duration_s=recording.n_frames / recording.sample_rate)
            self.info = replace(self.info, shortfall=recording.shortfall)

    def _segmenter(self, channel: str) -> ChannelSegmenter:
        turns = None if self.turns is None else turns_of_channel(self.turns, channel)
        return ChannelSegmenter(channel, self.options.n_samples, self.options.vad, self.options.cutters(turns))


def load_waveform(
    path: str | Path, start_s: float | None = None, end_s: float | None = None, channel: int | None = None
) -> npt.NDArray[np.float32]:
    """Load a recording, or an excerpt of one, for training.

    A whole file has exactly the samples that :class:`SegmentReader` yields for the channel, or for ``mix``. An excerpt
    of a file at a rate other than 16 kHz may differ from the same stretch of the whole file in the last bit.

    Args:
        path: any recording.
        start_s: start of the excerpt; None for the file's start.
        end_s: end of the excerpt; None for the file's end.
        channel: counted from 0; None for all together, mixed as ``mix`` mixes the whole file: an excerpt sounds like
            the rest of its file, and many excerpts cost one analysis.

    Shape:
        ``(n,)`` float32 at 16 kHz.

    Raises:
        AudioError: the file cannot be read, has no such channel, or has no audio between start and end.
    """
    with open_recording(path) as recording:
        wave = _load(recording, start_s, end_s, channel, SAMPLE_RATE)
    if not len(wave) and (start_s is not None or end_s is not None):
        raise AudioError(
            f"{display_path(path)}: contains no audio from {start_s} s to {end_s} s", "Check the manifest's times."
        )
    return wave


def load_clip(
    path: str | Path, start_s: float, end_s: float, channel: int | None = None
) -> tuple[npt.NDArray[np.float32], int]:
    """Load an excerpt of a recording at the recording's own sample rate, for people to listen to.

    Args:
        path: any recording.
        start_s: start of the excerpt.
        end_s: end of the excerpt; an end beyond that of the recording is the recording's.
        channel: as for :func:`load_waveform`.

    Returns:
        Samples ``(n,)``, float32, and their rate in Hz.

    Raises:
        AudioError: the file cannot be read, has no such channel, or has no audio between start and end.
    """
    with open_recording(path) as recording:
        rate = recording.sample_rate
        wave = _load(recording, start_s, end_s, channel, rate)
    if not len(wave):
        raise AudioError(
            f"{display_path(path)}: contains no audio from {start_s} s to {end_s} s",
            "Has the recording changed since it was labelled?",
        )
    return wave, rate


def read_header(path: str | Path) -> tuple[float | None, int, int]:
    """Read a recording's header alone: duration in seconds (None if not stated), channels, sample rate in Hz.

    Raises:
        AudioError: the file cannot be read.
    """
    with open_recording(path, thorough=False) as recording:
        return recording.claimed_s, recording.n_channels, recording.sample_rate


def rate_and_note(path: str | Path, channel: int | None = None) -> tuple[int, str | None]:
    """Return a recording's sample rate in Hz, and the note on how :func:`load_waveform` reads it.

    Raises:
        AudioError: the file cannot be read, or has no such channel.
    """
    with open_recording(path) as recording:
        note = choose_channels(recording, _mode(channel)).note
        return recording.sample_rate, join_notes(recording.note, note)


def join_notes(*notes: str | None) -> str | None:
    """Join several notes; return None if there are none."""
    return "; ".join(note for note in notes if note) or None


def _load(
    recording: Recording, start_s: float | None, end_s: float | None, channel: int | None, rate: int
) -> npt.NDArray[np.float32]:
    """Return an excerpt ``(n,)`` of an open recording, at the given rate or at its own."""
    skipped_s = _skip(recording, start_s or 0.0)
    blocks = _mix_blocks(recording.blocks(), choose_channels(recording, _mode(channel)))
    first = round((start_s or 0.0) * rate) - skipped_s * rate
    last = None if end_s is None else round(end_s * rate) - skipped_s * rate
    return _excerpt(
        blocks if rate == recording.sample_rate else resample(blocks, recording.sample_rate, 1), first, last
    )


def _mode(channel: int | None) -> str:
    return "mix" if channel is None else str(channel)


def _mix_blocks(blocks: Iterable[npt.NDArray[np.float32]], plan: ChannelPlan) -> Iterator[npt.NDArray[np.float32]]:
    """Mix blocks ``(n, input channels)`` down to ``(n, output channels)``."""
    for block in blocks:
        yield np.stack([mix.mix(block) for mix in plan.mixes], axis=1)


def _skip(recording: Recording, start_s: float) -> int:
    """Seek to shortly before ``start_s`` if the format allows it; return the number of skipped seconds.

    Whole seconds keep the resampler's phase, and one second is far longer than its filter.
    """
    skipped_s = max(0, int(start_s) - 1)
    return skipped_s if skipped_s and recording.seek(skipped_s * recording.sample_rate) else 0


def _excerpt(blocks: Iterable[npt.NDArray[np.float32]], first: int, last: int | None) -> npt.NDArray[np.float32]:
    """Return samples ``first`` to ``last`` of a stream of ``(n, 1)`` blocks; nothing beyond them is read."""
    kept, n_read = [np.zeros(0, np.float32)], 0
    for block in blocks:
        wanted = block[max(0, first - n_read) : None if last is None else max(0, last - n_read), 0]
        n_read += len(block)
        if len(wanted):  # an empty view would keep its block in memory
            kept.append(wanted)
        if last is not None and n_read >= last:
            break
    return np.concatenate(kept)
