"""Times are those that a player shows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcqtool.audio.decoding import recording
from pcqtool.audio.decoding.recording import open_recording
from pcqtool.audio.decoding.timeline import JITTER_S, Timeline
from pcqtool.audio.reader import ReaderOptions, SegmentReader, read_header

av = pytest.importorskip("av")
Make = Callable[..., Path]
QUICK = ReaderOptions(vad=False)


def decoded(path: Path) -> tuple[np.ndarray, int, str | None]:
    """The samples, their rate, and what is said to be missing."""
    with open_recording(path) as recording:
        wave = np.concatenate([np.zeros((0, recording.n_channels), np.float32), *recording.blocks()])
        return wave[:, 0], recording.sample_rate, recording.shortfall


def loud_s(wave: np.ndarray, rate: int) -> list[tuple[float, float]]:
    """Where there is sound, in seconds: runs that pauses of half a second part."""
    (at,) = np.nonzero(np.abs(wave) > 0.1)
    cuts = np.nonzero(np.diff(at) > rate / 2)[0]
    return [
        (float(at[first]) / rate, float(at[last]) / rate)
        for first, last in zip([0, *(cuts + 1)], [*cuts, len(at) - 1], strict=True)
    ]


CONTAINERS = [
    ("ipod", "aac", 16000),
    ("mp4", "aac", 32000),
    ("mov", "aac", 44100),
    ("3gp", "libopencore_amrnb", 8000),
    ("webm", "libopus", 48000),
    ("matroska", "flac", 16000),
    ("matroska", "aac", 44100),
    ("matroska", "libmp3lame", 16000),
    ("mpegts", "aac", 44100),
    ("mpegts", "mp2", 48000),
    ("mpeg", "mp2", 48000),
    ("flv", "aac", 44100),
]


@pytest.mark.parametrize(("container", "codec", "rate"), CONTAINERS)
def test_a_gap_is_silence(mux: Make, tone: Callable[..., np.ndarray], container: str, codec: str, rate: int) -> None:
    path = mux("a", container, (codec, rate, (0, tone(3, rate)), (8, tone(2, rate)), (10.6, tone(1, rate))))
    wave, rate, shortfall = decoded(path)
    assert shortfall is None
    assert len(wave) / rate == pytest.approx(11.6, abs=0.15)
    starts, ends = zip(*loud_s(wave, rate), strict=True)
    assert starts == pytest.approx((0, 8, 10.6), abs=0.06)
    assert ends == pytest.approx((3, 10, 11.6), abs=0.11)
    pause = wave[round(3.3 * rate) : round(7.9 * rate)]
    assert not pause.any(), "silence, and nothing else"


@pytest.mark.parametrize(("container", "codec", "rate"), [*CONTAINERS[1:3], *CONTAINERS[4:10]])
def test_audio_that_starts_later_than_the_video(
    mux: Make, tone: Callable[..., np.ndarray], container: str, codec: str, rate: int
) -> None:
    if container == "webm":
        container = "matroska"  # the picture's codec is none of WebM's
    path = mux("a", container, (codec, rate, (3, tone(2, rate))), video_s=6)
    claimed_s, _, _ = read_header(path)
    assert claimed_s is not None
    wave, rate, shortfall = decoded(path)
    assert shortfall is None
    assert claimed_s == pytest.approx(5, abs=0.1) or container in ("mpegts", "mpeg")
    assert len(wave) / rate == pytest.approx(5, abs=0.1)
    ((start, end),) = loud_s(wave, rate)
    assert (start, end) == pytest.approx((3, 5), abs=0.06)


@pytest.mark.parametrize(
    ("container", "codec", "seconds"), [("mov", "aac", 5), ("matroska", "flac", 5), ("mpegts", "mp2", 2)]
)
def test_audio_alone_that_starts_late(
    mux: Make, tone: Callable[..., np.ndarray], container: str, codec: str, seconds: float
) -> None:
    # an MP4's and a Matroska's times begin at 0, a broadcast's wherever it was taken down
    wave, rate, shortfall = decoded(mux("a", container, (codec, 48000, (3, tone(2, 48000)))))
    assert len(wave) / rate == pytest.approx(seconds, abs=0.1)
    assert shortfall is None


@pytest.mark.parametrize(
    ("container", "options"),
    [
        ("mpegts", {"output_ts_offset": "20000"}),
        ("matroska", {"output_ts_offset": "20000", "live": "1"}),
        ("mp4", {"output_ts_offset": "20000", "movflags": "empty_moov+frag_keyframe+default_base_moof"}),
        ("flv", {"output_ts_offset": "20000"}),
    ],
)
def test_a_broadcast_begins_where_its_recording_began(
    mux: Make, tone: Callable[..., np.ndarray], container: str, options: dict[str, str]
) -> None:
    path = mux("a", container, ("aac", 48000, (20000, tone(2, 48000)), (20005, tone(1, 48000))), options=options)
    wave, rate, shortfall = decoded(path)
    assert len(wave) / rate == pytest.approx(6, abs=0.1)
    assert shortfall is None
    assert loud_s(wave, rate)[1][0] == pytest.approx(5, abs=0.06)


def test_complete_audio_is_not_changed(mux: Make, tone: Callable[..., np.ndarray]) -> None:
    for container, codec, rate in CONTAINERS:
        wave, rate, shortfall = decoded(mux("a", container, (codec, rate, (0, tone(5, rate)))))
        assert shortfall is None
        assert len(loud_s(wave, rate)) == 1
        # every zero would be one that was put in: a tone has few of them, and codecs a few at the edges
        assert np.count_nonzero(wave == 0) < 0.05 * rate, container


@pytest.mark.parametrize("codec", ["wmav1", "wmav2"])
@pytest.mark.parametrize("rate", [8000, 16000, 22050, 24000, 44100, 48000])
def test_wma_is_placed_at_its_timestamps(mux: Make, tone: Callable[..., np.ndarray], codec: str, rate: int) -> None:
    wave = np.concatenate([np.zeros(rate, np.float32), tone(2, rate)])
    path = mux("a.wma", "asf", (codec, rate, (0, wave)))
    with av.open(str(path)) as container:
        frame, loud = next(
            (frame, loud)
            for frame in container.decode(audio=0)
            if len(loud := np.nonzero(np.abs(frame.to_ndarray()[0]) > 0.1)[0])
        )
        wanted_s = float(frame.pts * frame.time_base) + loud[0] / rate
    found, found_rate, shortfall = decoded(path)
    assert (found_rate, shortfall) == (rate, None)
    assert loud_s(found, rate)[0][0] == pytest.approx(wanted_s, abs=0.005)
    assert len(found) / rate == pytest.approx(3, abs=0.18)


def test_joined_broadcasts_are_read_one_after_the_other(mux: Make, tone: Callable[..., np.ndarray]) -> None:
    one = mux("a", "mpegts", ("mp2", 48000, (50, tone(3, 48000))))
    other = mux("b", "mpegts", ("mp2", 48000, (7, tone(2, 48000)), (11, tone(1, 48000))))
    one.write_bytes(one.read_bytes() + other.read_bytes())
    wave, rate, shortfall = decoded(one)
    assert shortfall is None
    assert len(wave) / rate == pytest.approx(8, abs=0.15)


def test_timestamps_beyond_the_end_of_the_recording(mux: Make, tone: Callable[..., np.ndarray]) -> None:
    path = mux("a", "matroska", ("flac", 16000, (0, tone(3, 16000)), (400_000, tone(3, 16000))))
    content = path.read_bytes()
    at = content.index(b"\x44\x89\x88")  # the segment's length, a double in milliseconds
    path.write_bytes(content[: at + 3] + np.array(6000.0, ">f8").tobytes() + content[at + 11 :])
    reader = SegmentReader(path, QUICK)
    assert len(list(reader)) == 1
    assert reader.info.duration_s == pytest.approx(6, abs=0.05)
    assert reader.info.shortfall is not None
    assert "timestamps jump 399997 s ahead at 3.0" in reader.info.shortfall
    assert "continuous" in reader.info.shortfall


@pytest.mark.parametrize("block_s", [0.37, 3.0, 100.0])
def test_block_size_changes_nothing_in_a_file_with_gaps(
    mux: Make, tone: Callable[..., np.ndarray], monkeypatch: pytest.MonkeyPatch, block_s: float
) -> None:
    path = mux("a", "mp4", ("aac", 22050, (2, tone(3, 22050)), (20, tone(7, 22050))), video_s=3)
    wanted = list(SegmentReader(path, QUICK))
    sizes: list[int] = []
    blocks = recording.Recording.blocks

    def counted(self: recording.Recording) -> object:
        for block in blocks(self, block_s):
            sizes.append(len(block))
            yield block

    monkeypatch.setattr(recording.Recording, "blocks", counted)
    found = list(SegmentReader(path, QUICK))
    assert [chunk.starts.tolist() for chunk in found] == [chunk.starts.tolist() for chunk in wanted]
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(one.waves, other.waves)
    assert max(sizes) < 22050 * block_s + 4096


def test_memory_does_not_grow_with_a_gap(mux: Make, tone: Callable[..., np.ndarray]) -> None:
    path = mux("a", "matroska", ("flac", 16000, (0, tone(1, 16000)), (7200, tone(1, 16000))))
    with open_recording(path) as recording:
        longest = max(len(block) for block in recording.blocks(1.0))
        assert recording.n_frames / 16000 == pytest.approx(7201, abs=0.1)
    assert longest <= 1.5 * 16000


@given(
    st.lists(st.tuples(st.floats(0, 30), st.integers(1, 4000), st.floats(-0.004, 0.004)), min_size=1, max_size=40),
    st.sampled_from([8000, 16000, 44100]),
)
def test_audio_is_never_further_off_than_jitter(pieces: list[tuple[float, int, float]], rate: int) -> None:
    timeline = Timeline(rate, 5.0, 1e5)
    true_s, n_sound = 0.0, 0
    for pause_s, n, jitter_s in pieces:
        true_s += pause_s
        gap = timeline.gap(5.0 + true_s + jitter_s)
        assert gap >= 0
        assert abs((timeline.n_placed + gap) / rate - true_s) < JITTER_S + 0.01
        timeline.n_placed += gap + n
        true_s += n / rate
        n_sound += n
    assert timeline.fault is None


def test_a_single_wrong_timestamp_is_ignored() -> None:
    timeline = Timeline(8000, 0.0, 100.0)
    assert timeline.gap(30.0, next_s=0.02) == 0
    timeline.n_placed += 160
    assert timeline.gap(0.02, next_s=0.04) == 0
    assert timeline.gap(10.0, next_s=10.02) == round(9.98 * 8000)


def test_the_next_gap_makes_up_for_timestamps_that_count_less() -> None:
    timeline = Timeline(8000, 0.0, 100.0, n_placed=8000)
    assert timeline.gap(0.8) == 0
    assert timeline.gap(5.0) == 4 * 8000


def test_timestamps_that_restart() -> None:
    timeline = Timeline(8000, 0.0, 100.0, n_placed=80_000)
    assert timeline.gap(0.0) == 0
    timeline.n_placed += 8000
    assert timeline.gap(3.0) == 2 * 8000


def test_a_rejected_packet_leaves_an_exact_gap() -> None:
    timeline = Timeline(8000, 0.0, 100.0, n_placed=8000)
    assert timeline.gap(1.02) == 0
    assert timeline.gap(1.02, exact=True) == 160


def test_plausible_gaps_without_a_stated_duration() -> None:
    timeline = Timeline(8000, 0.0, None, n_placed=8000 * 7200)
    assert timeline.gap(7200.0 + 1800) == 1800 * 8000
    assert timeline.gap(90_000.0) == 0
    assert timeline.fault is not None
    assert timeline.gap(90_000.0 + 5) == 5 * 8000


def test_a_broadcast_that_continues_with_other_timestamps(mux: Make, tone: Callable[..., np.ndarray]) -> None:
    one = mux("a", "mpegts", ("mp2", 48000, (10, tone(3, 48000))))
    other = mux("b", "mpegts", ("mp2", 48000, (50_000, tone(2, 48000))))
    one.write_bytes(one.read_bytes() + other.read_bytes())
    wave, rate, shortfall = decoded(one)
    assert len(wave) / rate == pytest.approx(5, abs=0.15)
    assert shortfall is not None
    assert "timestamps jump 499" in shortfall
