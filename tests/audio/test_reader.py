from __future__ import annotations

import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from pcqtool.audio.channel_segmenter import ChannelSegmenter, Chunk
from pcqtool.audio.decoding import recording
from pcqtool.audio.reader import ReaderOptions, SegmentReader, load_clip, load_waveform, read_header
from pcqtool.errors import AudioError, SettingsError

Make = Callable[..., Path]
Sound = Callable[..., np.ndarray]
QUICK = ReaderOptions(vad=False)


def joined(chunks: list[Chunk]) -> np.ndarray:
    """All real samples of one track, in order."""
    rows = [row[:n] for chunk in chunks for row, n in zip(chunk.waves, chunk.n_samples, strict=True)]
    return np.concatenate([np.zeros(0, np.float32), *rows])


def by_channel(reader: SegmentReader) -> dict[str, np.ndarray]:
    chunks = list(reader)
    return {name: joined([chunk for chunk in chunks if chunk.channel == name]) for name in reader.info.channel_names}


@pytest.mark.parametrize("field", [{"channels": "both"}, {"segment_s": 0.0}, {"segment_s": 1e4}])
def test_impossible_settings(field: dict[str, object]) -> None:
    with pytest.raises(SettingsError):
        ReaderOptions(**field)


def test_recording_info_after_the_last_chunk(sound: Sound, write: Make) -> None:
    reader = SegmentReader(write("a.wav", sound(100.5, 8000), 8000), QUICK)
    chunks = list(reader)
    assert (reader.info.duration_s, reader.info.sample_rate, reader.info.channel_names, reader.info.shortfall) == (
        100.5,
        8000,
        ("0",),
        None,
    )
    assert [(chunk.starts[0] / 48000, len(chunk.waves)) for chunk in chunks] == [(0, 10), (10, 10), (20, 10), (30, 4)]
    assert all(chunk.waves.shape[1] == 48000 and chunk.waves.dtype == np.float32 for chunk in chunks)
    assert chunks[-1].n_samples.tolist() == [48000, 48000, 48000, 24000]
    assert not chunks[-1].waves[-1, 24000:].any()
    assert chunks[0].speech_fraction is None


@pytest.mark.parametrize("rate", [8000, 16000, 44100])
@pytest.mark.parametrize("n", [1, 700, 48000])
def test_load_waveform_equals_the_stream_bit_for_bit(sound: Sound, write: Make, rate: int, n: int) -> None:
    path = write("a.flac", sound(3.1, rate, 2)[:n], rate, "FLAC", "PCM_16")
    streamed = by_channel(SegmentReader(path, ReaderOptions("mix", vad=False)))
    np.testing.assert_array_equal(load_waveform(path), streamed["mix"])
    assert len(load_waveform(path)) >= 1
    for number, one in by_channel(SegmentReader(path, ReaderOptions("split", vad=False))).items():
        np.testing.assert_array_equal(load_waveform(path, channel=int(number)), one)


def test_16_khz_samples_are_the_files_own(sound: Sound, write: Make) -> None:
    wave = sound(2)
    np.testing.assert_array_equal(load_waveform(write("a.wav", wave, 16000, "WAV", "FLOAT")), wave)


@pytest.mark.parametrize(
    ("rate", "format_", "subtype"),
    [(16000, "WAV", "PCM_16"), (44100, "FLAC", "PCM_16"), (8000, "MP3", "MPEG_LAYER_III")],
)
def test_excerpts(sound: Sound, write: Make, rate: int, format_: str, subtype: str) -> None:
    path = write("a", sound(12, rate), rate, format_, subtype)
    whole = load_waveform(path)
    for start_s, end_s in ((None, 2.5), (0.3, 1.7), (5.25, 7.0), (10.9, None), (7.5, 99.0)):
        excerpt = load_waveform(path, start_s, end_s)
        wanted = whole[round((start_s or 0) * 16000) : None if end_s is None else round(end_s * 16000)]
        np.testing.assert_allclose(excerpt, wanted, atol=1e-6)
    with pytest.raises(AudioError, match="contains no audio from"):
        load_waveform(path, 20.0, 21.0)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 60), max_size=12), st.integers(1, 9))
def test_segmenters_lose_no_sample_and_do_not_depend_on_blocks(sizes: list[int], length: int) -> None:
    values = np.arange(1, sum(sizes) + 1, dtype=np.float32)

    def run(cuts: list[int]) -> list[Chunk]:
        segmenter = ChannelSegmenter("0", length, vad=False)
        return [*(chunk for block in np.split(values, cuts) for chunk in segmenter.push(block)), *segmenter.flush()]

    whole, cut = run([]), run(list(np.cumsum(sizes)))
    np.testing.assert_array_equal(joined(whole), values)
    assert len(whole) == len(cut)
    for one, other in zip(whole, cut, strict=True):
        assert one.starts.tolist() == other.starts.tolist()
        np.testing.assert_array_equal(one.waves, other.waves)
        np.testing.assert_array_equal(one.n_samples, other.n_samples)


def test_channels(sound: Sound, write: Make) -> None:
    call = sound(4, 16000, 2)
    path = write("call.wav", call, 16000, "WAV", "FLOAT")
    for mode, wanted in {
        "auto": {"0": call[:, 0], "1": call[:, 1]},
        "mix": {"mix": (call[:, 0] + call[:, 1]) / 2},
        "1": {"1": call[:, 1]},
    }.items():
        found = by_channel(SegmentReader(path, ReaderOptions(mode, vad=False)))
        assert list(found) == list(wanted)
        for name, wave in wanted.items():
            np.testing.assert_array_equal(found[name], wave)
    twice = write("twice.wav", call[:, [0, 0]], 16000, "WAV", "FLOAT")
    np.testing.assert_array_equal(by_channel(SegmentReader(twice, QUICK))["mix"], call[:, 0])
    with pytest.raises(AudioError, match=r"call\.wav: has no channel 5"):
        list(SegmentReader(path, ReaderOptions("5")))


def test_nine_channels(sound: Sound, write: Make) -> None:
    path = write("9.wav", sound(4, 8000, 9), 8000)
    assert list(by_channel(SegmentReader(path, QUICK))) == ["mix"]
    assert len(by_channel(SegmentReader(path, ReaderOptions("split", vad=False)))) == 9


def test_speech_fractions_and_spans(emodb: Path, tmp_path: Path) -> None:
    speech = load_waveform(sorted(emodb.iterdir())[0])
    wave = np.concatenate((np.zeros(48000, np.float32), np.tile(speech, 4), np.zeros(100_000, np.float32)))
    soundfile.write(tmp_path / "a.wav", wave, 16000)
    chunks = list(SegmentReader(tmp_path / "a.wav"))
    shares = np.concatenate([chunk.speech_fraction for chunk in chunks])
    assert len(shares) == -(-len(wave) // 48000)
    assert shares.dtype == np.float32
    assert shares[0] == 0
    assert shares[1] > 0.7
    assert shares[-1] == 0
    assert ((shares >= 0) & (shares <= 1)).all()
    spoken = np.concatenate([chunk.speech_span for chunk in chunks])
    assert spoken[0].tolist() == [0, 48000], "no speech: all of it"
    assert spoken[-1].tolist() == [0, len(wave) % 48000]
    n_speech = 48000 + 4 * len(speech)
    (last,) = np.flatnonzero((shares[1:-1] > 0) & (shares[2:] == 0)) + 1  # the last one with speech
    assert abs(48000 * last + spoken[last, 1] - n_speech) < 0.4 * 16000
    assert (spoken[1:last, 0] < spoken[1:last, 1]).all()
    np.testing.assert_array_equal(joined(chunks), load_waveform(tmp_path / "a.wav"))


def test_the_speech_fraction_of_a_short_tail_counts_real_samples_only(emodb: Path, tmp_path: Path) -> None:
    speech = load_waveform(sorted(emodb.iterdir())[0])[8000:20000]
    soundfile.write(tmp_path / "a.wav", speech, 16000)
    (chunk,) = SegmentReader(tmp_path / "a.wav")
    assert chunk.speech_fraction is not None
    assert chunk.speech_fraction[0] > 0.8, "0.2 of the padded segment"
    assert chunk.speech_span is not None
    assert chunk.speech_span[0, 1] <= 12000, "behind it there is padding"


@pytest.mark.parametrize("block_s", [0.37, 3.0, 100.0])
def test_block_size_changes_nothing(sound: Sound, write: Make, monkeypatch: pytest.MonkeyPatch, block_s: float) -> None:
    path = write("a.mp3", sound(20, 22050, 2), 22050, "MP3", "MPEG_LAYER_III")
    wanted = list(SegmentReader(path))
    blocks = recording.Recording.blocks
    monkeypatch.setattr(recording.Recording, "blocks", lambda self: blocks(self, block_s))
    found = list(SegmentReader(path))
    assert [chunk.starts.tolist() for chunk in found] == [chunk.starts.tolist() for chunk in wanted]
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(one.waves, other.waves)
        np.testing.assert_array_equal(one.speech_fraction, other.speech_fraction)


def test_faults(sound: Sound, write: Make, cut: Make, tmp_path: Path) -> None:
    short = SegmentReader(cut(write("cut.wav", sound(10)), 0.5), QUICK)
    assert len(joined(list(short))) == pytest.approx(80000, abs=50)
    assert short.info.shortfall is not None
    assert short.info.duration_s == pytest.approx(5, abs=0.01)

    none = SegmentReader(write("none.wav", sound(1)[:0]))
    assert list(none) == []
    assert (none.info.duration_s, none.info.sample_rate, none.info.channel_names) == (0.0, 16000, ("0",))

    bad = sound(40)
    bad[-5] = np.nan
    broken = SegmentReader(write("nan.wav", bad, 16000, "WAV", "FLOAT"), QUICK)
    assert len(joined(list(broken))) == 30 * 16000
    assert (broken.info.duration_s, "NaN" in broken.info.shortfall) == (30.0, True)

    with pytest.raises(AudioError, match="does not exist"):
        list(SegmentReader(tmp_path / "gone.wav"))


def test_stereo_without_samples(write: Make) -> None:
    reader = SegmentReader(write("none.wav", np.zeros((0, 2), np.float32)))
    assert list(reader) == []
    assert reader.info.channel_names == ("mix",)


def test_read_header_reads_the_header_alone(sound: Sound, write: Make, cut: Make) -> None:
    path = write("a.flac", sound(20, 44100, 2), 44100, "FLAC", "PCM_16")
    assert read_header(cut(path, 0.1)) == (20.0, 2, 44100)


def test_memory_does_not_grow_with_the_recording(tmp_path: Path) -> None:
    noise = (np.random.default_rng(0).standard_normal(8000 * 60) * 3000).astype(np.int16)
    peaks = []
    for minutes in (6, 60):
        path = tmp_path / f"{minutes}.wav"
        with soundfile.SoundFile(path, "w", 8000, 2, "PCM_16") as file:
            for _ in range(minutes):
                file.write(np.stack((noise, noise[::-1]), 1))
        tracemalloc.start()
        n = sum(len(chunk.waves) for chunk in SegmentReader(path, QUICK))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert n == 2 * minutes * 20
    assert peaks[1] < 1.1 * peaks[0]
    assert peaks[1] < 40e6


def test_importing_is_light() -> None:
    program = "import sys, pcqtool.audio.reader; print(sorted({'torch', 'av', 'openvino', 'scipy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("suffix", ["wav", "flac"])
@pytest.mark.parametrize("channel", [None, 0, 1])
def test_a_clip_has_the_samples_of_its_file(tmp_path: Path, suffix: str, channel: int | None) -> None:
    rate = 11_025
    samples = np.random.default_rng(0).integers(-9000, 9000, (5 * rate, 2)).astype(np.int16)
    soundfile.write(tmp_path / f"a.{suffix}", samples, rate)
    expected = samples / 32768
    expected = expected.mean(axis=1) if channel is None else expected[:, channel]
    wave, found_rate = load_clip(tmp_path / f"a.{suffix}", 2.5, 4.25, channel)
    assert found_rate == rate
    np.testing.assert_allclose(wave, expected[round(2.5 * rate) : round(4.25 * rate)], atol=1e-7)
    assert len(load_clip(tmp_path / f"a.{suffix}", 4.5, 9.0)[0]) == 5 * rate - round(4.5 * rate)
    with pytest.raises(AudioError, match="contains no audio"):
        load_clip(tmp_path / f"a.{suffix}", 5.0, 6.0)
