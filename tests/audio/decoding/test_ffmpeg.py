from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from pcqtool.audio.decoding.container import CONTAINERS, to_float32
from pcqtool.audio.decoding.recording import Recording, open_recording
from pcqtool.errors import AudioError

av = pytest.importorskip("av")


def encode(
    path: Path,
    container: str,
    codec: str,
    rate: int,
    layout: str = "mono",
    options: dict[str, str] | None = None,
    quality: int | None = None,
) -> None:
    """Two seconds of a tone of 440 Hz on the first channel and of 880 Hz on the second."""
    try:
        av.Codec(codec, "w")
    except av.error.FFmpegError:
        pytest.skip(f"this FFmpeg cannot encode {codec}")
    n_channels = 2 if layout == "stereo" else 1
    t = np.arange(2 * rate) / rate
    tones = np.stack([0.5 * np.sin(2 * np.pi * 440 * (k + 1) * t) for k in range(n_channels)]).astype(np.float32)
    with av.open(path, "w", format=container, options=options or {}) as out:
        stream = out.add_stream(codec, rate=rate, layout=layout)
        if codec == "wmav2":
            stream.bit_rate = 128_000
        if quality is not None:
            stream.codec_context.qscale = True
            stream.codec_context.options = {"global_quality": str(quality)}
        for first in range(0, tones.shape[1], 1024):
            part = np.ascontiguousarray(tones[:, first : first + 1024])
            frame = av.AudioFrame.from_ndarray(part, format="fltp", layout=layout)
            frame.sample_rate, frame.pts = rate, first
            out.mux(stream.encode(frame))
        out.mux(stream.encode())


def encode_video(path: Path, codec: str | None) -> None:
    with av.open(path, "w", format="mp4") as out:
        video = out.add_stream("mpeg4", rate=10)
        video.width = video.height = 64
        video.pix_fmt = "yuv420p"
        audio = out.add_stream(codec, rate=48000, layout="mono") if codec else None
        for _ in range(10):
            out.mux(video.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")))
        out.mux(video.encode())
        if audio:
            frame = av.AudioFrame.from_ndarray(np.full((1, 48000), 0.25, np.float32), format="fltp", layout="mono")
            frame.sample_rate = 48000
            out.mux(audio.encode(frame))
            out.mux(audio.encode())


def drain(recording: Recording) -> np.ndarray:
    with recording:
        return np.concatenate([np.zeros((0, recording.n_channels), np.float32), *recording.blocks()])


def pitch(wave: np.ndarray, rate: int) -> float:
    return float(np.abs(np.fft.rfft(wave[:rate])).argmax())


@pytest.mark.parametrize(
    ("container", "codec", "rate", "layout"),
    [
        ("ipod", "aac", 44100, "stereo"),
        ("adts", "aac", 16000, "mono"),
        ("3gp", "aac", 16000, "mono"),
        ("ipod", "alac", 44100, "stereo"),
        ("amr", "libopencore_amrnb", 8000, "mono"),
        ("webm", "libopus", 48000, "stereo"),
        ("matroska", "flac", 16000, "mono"),
        ("asf", "wmav2", 44100, "stereo"),
        ("ac3", "ac3", 48000, "stereo"),
    ],
)
def test_formats_that_libsndfile_cannot_read(
    tmp_path: Path, container: str, codec: str, rate: int, layout: str
) -> None:
    path = tmp_path / "wrong.wav"
    encode(path, container, codec, rate, layout)
    recording = open_recording(path)
    wave = drain(recording)
    assert (recording.sample_rate, recording.shortfall) == (rate, None)
    assert recording.n_channels == (2 if layout == "stereo" else 1)
    assert len(wave) / rate == pytest.approx(2, abs=0.15)
    assert recording.claimed_s == pytest.approx(2, abs=0.2)
    for channel in range(recording.n_channels):
        assert pitch(wave[rate // 4 :, channel], rate) == pytest.approx(440 * (channel + 1), abs=2)
        assert np.abs(wave[rate // 2 : rate, channel]).max() == pytest.approx(0.5, abs=0.1)


def test_all_containers_are_known_to_this_ffmpeg() -> None:
    known = {name for names in av.formats_available for name in names.split(",")}
    assert set(CONTAINERS.split(",")) <= known


@pytest.mark.parametrize(
    ("ending", "subtype"),
    [("ul", "ULAW"), ("ulaw", "ULAW"), ("al", "ALAW"), ("alaw", "ALAW"), ("gsm", "GSM610"), ("sln", "PCM_16")],
)
def test_headerless_telephone_audio_is_recognised_by_its_extension(tmp_path: Path, ending: str, subtype: str) -> None:
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(16000) / 8000)
    soundfile.write(tmp_path / f"a.{ending}", tone, 8000, format="RAW", subtype=subtype)
    recording = open_recording(tmp_path / f"a.{ending}")
    wave = drain(recording)
    assert (recording.sample_rate, wave.shape) == (8000, (16000, 1))
    assert pitch(wave[:, 0], 8000) == pytest.approx(440, abs=1)


def test_the_sound_of_a_video(tmp_path: Path) -> None:
    encode_video(tmp_path / "a.mp4", "aac")
    wave = drain(open_recording(tmp_path / "a.mp4"))
    assert len(wave) / 48000 == pytest.approx(1, abs=0.1)
    assert wave[24000, 0] == pytest.approx(0.25, abs=0.05)


def test_a_video_without_sound(tmp_path: Path) -> None:
    encode_video(tmp_path / "a.mp4", None)
    with pytest.raises(AudioError, match="no audio stream"):
        open_recording(tmp_path / "a.mp4")


def test_a_cut_m4a_without_its_index_is_not_a_recording(tmp_path: Path, cut: Callable[[Path, float], Path]) -> None:
    encode(tmp_path / "a.m4a", "ipod", "aac", 44100)
    with pytest.raises(AudioError, match=r"a\.m4a"):
        open_recording(cut(tmp_path / "a.m4a", 0.6))


@pytest.mark.parametrize("xing", [True, False])
def test_a_guessed_mp3_duration_is_not_a_claim(tmp_path: Path, cut: Callable[[Path, float], Path], xing: bool) -> None:
    # variable bit rate: what is guessed from the first frame is wrong
    path = tmp_path / "a.mp3"
    encode(path, "mp3", "libmp3lame", 16000, options={"write_xing": str(int(xing))}, quality=0)
    recording = open_recording(path)
    assert len(drain(recording)) / 16000 == pytest.approx(2, abs=0.15)
    assert recording.shortfall is None
    short = open_recording(cut(path, 0.5))
    drain(short)
    assert (short.shortfall is not None) == xing


def test_joined_mp3_files_are_read_to_the_end(tmp_path: Path) -> None:
    encode(tmp_path / "a.mp3", "mp3", "libmp3lame", 16000)
    content = (tmp_path / "a.mp3").read_bytes()
    (tmp_path / "b.mp3").write_bytes(content + content)
    assert len(drain(open_recording(tmp_path / "b.mp3"))) / 16000 == pytest.approx(4, abs=0.2)


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_joined_ogg_files_are_read_to_the_end(tmp_path: Path, subtype: str) -> None:
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(96000) / 48000)
    for name in ("a.ogg", "b.ogg"):
        soundfile.write(tmp_path / name, tone, 48000, format="OGG", subtype=subtype)
    both = (tmp_path / "a.ogg").read_bytes() + (tmp_path / "b.ogg").read_bytes()
    (tmp_path / "c.ogg").write_bytes(both)
    assert len(drain(open_recording(tmp_path / "a.ogg"))) == 96000
    assert len(drain(open_recording(tmp_path / "c.ogg"))) / 48000 == pytest.approx(4, abs=0.1)


@pytest.mark.parametrize("n_tag", [1, 300, 100_000])
def test_an_mp3_after_a_long_tag(tmp_path: Path, cut: Callable[[Path, float], Path], n_tag: int) -> None:
    encode(tmp_path / "a.mp3", "mp3", "libmp3lame", 16000, options={"id3v2_version": "0"})
    size = bytes(n_tag >> shift & 0x7F for shift in (21, 14, 7, 0))
    tag = b"ID3\x03\0\0" + size + bytes(n_tag)
    (tmp_path / "b.mp3").write_bytes(tag + (tmp_path / "a.mp3").read_bytes())
    recording = open_recording(tmp_path / "b.mp3")
    assert len(drain(recording)) == 32000
    assert recording.shortfall is None
    short = open_recording(cut(tmp_path / "b.mp3", (n_tag + 3000) / (tmp_path / "b.mp3").stat().st_size))
    assert 0 < len(drain(short)) < 32000
    assert short.shortfall is not None, "the length was found behind the tag"


@pytest.mark.parametrize(("container", "codec"), [("mp4", "aac"), ("matroska", "flac"), ("webm", "libopus")])
def test_a_cut_file_is_decoded_to_its_end_with_a_shortfall(
    tmp_path: Path, cut: Callable[[Path, float], Path], container: str, codec: str
) -> None:
    path = tmp_path / "a"
    options = {"movflags": "faststart"} if container == "mp4" else {"cluster_time_limit": "200"}
    encode(path, container, codec, 48000, options=options)
    whole = drain(open_recording(path))
    recording = open_recording(cut(path, 0.6))
    kept = drain(recording)
    assert 0.2 * len(whole) < len(kept) < 0.9 * len(whole)
    np.testing.assert_array_equal(kept, whole[: len(kept)])
    assert recording.shortfall is not None
    assert "claims 2.0" in recording.shortfall


def test_a_damaged_packet_is_skipped_and_reported(tmp_path: Path) -> None:
    path = tmp_path / "a.amr"
    encode(path, "amr", "libopencore_amrnb", 8000)
    n_whole = len(drain(open_recording(path)))
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 64] = b"\x6c" * 64  # frames of a type that does not exist
    path.write_bytes(content)
    recording = open_recording(path)
    n_kept = len(drain(recording))
    assert 0.3 * n_whole < n_kept
    assert recording.shortfall is not None
    assert "cannot be decoded" in recording.shortfall


@pytest.mark.parametrize("format_", ["u8", "u8p", "s16", "s16p", "s32", "s32p", "flt", "fltp", "dbl", "dblp"])
def test_sample_formats(format_: str) -> None:
    wanted = np.array([[0.5, -0.25], [0.0, 0.75], [-1.0, 0.25]], np.float32)
    kind, size = format_.rstrip("p"), {"u8": 8, "s16": 16, "s32": 32}.get(format_.rstrip("p"))
    if size is None:
        values = wanted.astype(np.float64 if kind == "dbl" else np.float32)
    elif kind == "u8":
        values = (wanted * 128 + 128).astype(np.uint8)
    else:
        values = (wanted.astype(np.float64) * 2 ** (size - 1)).astype(f"int{size}")
    layout = values.T if format_.endswith("p") else values.reshape(1, -1)
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(layout), format=format_, layout="stereo")
    np.testing.assert_allclose(to_float32(frame), wanted, atol=1e-7)


@pytest.mark.parametrize("tagged", ["mp3", "m4a"])
def test_tags_need_not_be_utf8(tmp_path, tagged):
    rate, wave = 16000, np.random.default_rng(0).normal(0, 0.1, 32000).astype(np.float32)
    path = tmp_path / f"a.{tagged}"
    if tagged == "mp3":
        soundfile.write(path, wave, rate, format="MP3", subtype="MPEG_LAYER_III")
        path.write_bytes(path.read_bytes() + b"TAG" + "Müller".encode("latin-1").ljust(125, b"\0"))
    else:
        with av.open(str(path), "w", format="ipod") as container:
            container.metadata["title"] = "M@ller"
            stream = container.add_stream("aac", rate=rate, layout="mono")
            frame = av.AudioFrame.from_ndarray(wave[None], format="fltp", layout="mono")
            frame.sample_rate = rate
            for packet in [*stream.encode(frame), *stream.encode(None)]:
                container.mux(packet)
        path.write_bytes(path.read_bytes().replace(b"M@ller", b"M\xfcller"))
    with open_recording(path) as recording:
        assert sum(map(len, recording.blocks())) == pytest.approx(32000, abs=3000)
        assert recording.shortfall is None
