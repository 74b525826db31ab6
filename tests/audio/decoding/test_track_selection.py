"""Of several audio tracks in one file, one is the recording, and its row says which."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pcqtool.audio.decoding.recording import open_recording
from pcqtool.audio.reader import ReaderOptions, SegmentReader, read_header
from pcqtool.errors import AudioError

Make = Callable[..., Path]
Tone = Callable[..., np.ndarray]
ZEROS = np.zeros(3 * 48000, np.float32)


def seconds_and_note(path: Path) -> tuple[float, str | None]:
    reader = SegmentReader(path, ReaderOptions(vad=False))
    assert sum(len(chunk.waves) for chunk in reader)
    assert reader.info.shortfall is None
    return reader.info.duration_s, reader.info.note


@pytest.mark.parametrize(("container", "codec"), [("mp4", "aac"), ("matroska", "flac"), ("matroska", "libopus")])
def test_a_single_track_needs_no_note(mux: Make, tone: Tone, container: str, codec: str) -> None:
    seconds, note = seconds_and_note(mux("a", container, (codec, 48000, (0, tone(3, 48000))), video_s=1))
    assert seconds == pytest.approx(3, abs=0.1)
    assert note is None


@pytest.mark.parametrize(("container", "codec"), [("matroska", "flac"), ("matroska", "libopus"), ("mp4", "aac")])
@pytest.mark.parametrize("default", [0, 1])
def test_the_default_track(mux: Make, tone: Tone, container: str, codec: str, default: int) -> None:
    tracks = [(codec, 48000, (0, tone(length, 48000))) for length in (3, 2)]
    seconds, note = seconds_and_note(mux("a", container, *tracks, default=default))
    assert seconds == pytest.approx((3, 2)[default], abs=0.1)
    assert note == f"audio track {default + 1} of 2 (default)"


def test_without_a_default_the_first(mux: Make, tone: Tone) -> None:
    tracks = [("mp2", 48000, (0, tone(length, 48000))) for length in (3, 2, 1)]
    seconds, note = seconds_and_note(mux("a", "mpegts", *tracks))
    assert seconds == pytest.approx(3, abs=0.1)
    assert note == "audio track 1 of 3 (the first)"


@pytest.mark.parametrize(("container", "codec"), [("mp4", "aac"), ("matroska", "flac"), ("mpegts", "mp2")])
@pytest.mark.parametrize("n_silent", [1, 2])
def test_a_silent_track_gives_way(mux: Make, tone: Tone, container: str, codec: str, n_silent: int) -> None:
    silent = [(codec, 48000, (0, ZEROS))] * n_silent
    path = mux("a", container, *silent, (codec, 48000, (0, tone(2, 48000))), default=0)
    seconds, note = seconds_and_note(path)
    assert seconds == pytest.approx(2, abs=0.1)
    assert note == f"audio track {n_silent + 1} of {n_silent + 1} (track 1 is silent)"


def test_where_all_are_silent_the_default_is_read(mux: Make) -> None:
    path = mux("a", "matroska", *[("flac", 48000, (0, ZEROS[: n * 48000])) for n in (3, 2)], default=1)
    seconds, note = seconds_and_note(path)
    assert seconds == pytest.approx(2, abs=0.1)
    assert note == "audio track 2 of 2 (default)"


def test_sound_that_comes_late_is_sound(mux: Make, tone: Tone) -> None:
    late = np.concatenate((ZEROS, tone(0.5, 48000)))
    path = mux("a", "mp4", ("aac", 48000, (0, late)), ("aac", 48000, (0, tone(2, 48000))), default=0)
    assert seconds_and_note(path)[1] == "audio track 1 of 2 (default)"


def unknown(path: Path) -> Path:
    """The file, its AAC renamed to something that no decoder knows."""
    path.write_bytes(path.read_bytes().replace(b"mp4a", b"zzzz").replace(b"esds", b"free"))
    return path


def test_a_track_that_no_decoder_knows_is_passed_over(mux: Make, tone: Tone) -> None:
    tracks = [(codec, 48000, (0, tone(length, 48000))) for codec, length in (("aac", 3), ("ac3", 2))]
    seconds, note = seconds_and_note(unknown(mux("a", "mp4", *tracks)))
    assert seconds == pytest.approx(2, abs=0.1)
    assert note == "audio track 2 of 2 (the first that can be decoded)"


def test_sound_that_no_decoder_knows(mux: Make, tone: Tone) -> None:
    with pytest.raises(AudioError, match="no decoder supports its audio"):
        open_recording(unknown(mux("a", "mp4", ("aac", 48000, (0, tone(2, 48000))))))


def test_probe_does_not_look_for_sound(mux: Make, tone: Tone, monkeypatch: pytest.MonkeyPatch) -> None:
    path = mux("a", "mp4", ("aac", 48000, (0, ZEROS)), ("aac", 48000, (0, tone(2, 48000))), default=0)
    monkeypatch.setattr("pcqtool.audio.decoding.ffmpeg.is_silence", None)
    seconds, _, _ = read_header(path)
    assert seconds == pytest.approx(3, abs=0.1)
