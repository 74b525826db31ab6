from __future__ import annotations

import os
import re
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pcqtool.audio.decoding.recording import MAX_BLOCK_VALUES, Recording, open_recording
from pcqtool.errors import AudioError

Make = Callable[..., Path]
Sound = Callable[..., np.ndarray]


def drain(recording: Recording) -> np.ndarray:
    with recording:
        return np.concatenate([np.zeros((0, recording.n_channels), np.float32), *recording.blocks()])


# format, subtype, rate, largest difference to the original that the encoding explains (None: lossy and shifted)
FORMATS = [
    ("WAV", "PCM_U8", 16000, 2**-7),
    ("WAV", "PCM_16", 44100, 2**-15),
    ("WAV", "PCM_24", 48000, 2**-23),
    ("WAV", "PCM_32", 16000, 1e-6),
    ("WAV", "FLOAT", 22050, 0),
    ("WAV", "DOUBLE", 16000, 0),
    ("WAV", "ULAW", 8000, 0.03),
    ("WAV", "ALAW", 8000, 0.03),
    ("WAV", "GSM610", 8000, None),
    ("WAV", "IMA_ADPCM", 8000, None),
    ("WAV", "MS_ADPCM", 8000, None),
    ("WAVEX", "PCM_16", 16000, 2**-15),
    ("FLAC", "PCM_24", 48000, 2**-23),
    ("MP3", "MPEG_LAYER_III", 16000, None),
    ("OGG", "VORBIS", 16000, None),
    ("OGG", "OPUS", 48000, None),
    ("AIFF", "PCM_16", 16000, 2**-15),
    ("AU", "ULAW", 8000, 0.03),
    ("CAF", "PCM_16", 16000, 2**-15),
    ("RF64", "PCM_16", 16000, 2**-15),
    ("W64", "PCM_16", 16000, 2**-15),
    ("NIST", "PCM_16", 16000, 2**-15),
    ("NIST", "ULAW", 8000, 0.03),
]


@pytest.mark.parametrize(("format_", "subtype", "rate", "error"), FORMATS)
def test_formats_of_libsndfile(
    sound: Sound, write: Make, format_: str, subtype: str, rate: int, error: float | None
) -> None:
    wave = sound(1, rate)
    recording = open_recording(write("wrong.extension", wave, rate, format_, subtype))
    decoded = drain(recording)
    assert (recording.sample_rate, recording.n_channels, recording.shortfall) == (rate, 1, None)
    assert decoded.dtype == np.float32
    assert recording.n_frames == len(decoded)
    assert abs(len(decoded) - len(wave)) < 0.1 * rate
    if error is not None:
        np.testing.assert_allclose(decoded[:, 0], wave, atol=error)
    else:
        assert 0.5 < decoded.std() / wave.std() < 1.5


def test_an_mp3_named_wav_and_a_9_channel_file(sound: Sound, write: Make) -> None:
    assert drain(open_recording(write("a.wav", sound(1), 16000, "MP3", "MPEG_LAYER_III"))).shape == (16000, 1)
    wave = sound(0.5, 16000, 9)
    decoded = drain(open_recording(write("9.wav", wave, 16000, "WAV", "FLOAT")))
    np.testing.assert_array_equal(decoded, wave)


def test_blocks_are_bounded_in_seconds_and_in_values(sound: Sound, write: Make) -> None:
    path = write("a.wav", sound(5))
    with open_recording(path) as recording:
        assert [len(block) for block in recording.blocks(2.0)] == [32000, 32000, 16000]
    wide = write("wide.wav", np.zeros((9000, 600), np.float32), 16000)
    with open_recording(wide) as recording:
        assert max(block.size for block in recording.blocks()) <= MAX_BLOCK_VALUES


@pytest.mark.parametrize("share", [0.3, 0.6, 0.97])
@pytest.mark.parametrize(
    ("format_", "subtype"),
    [
        ("WAV", "PCM_16"),
        ("WAV", "ULAW"),
        ("WAV", "GSM610"),
        ("AIFF", "PCM_16"),
        ("AU", "PCM_16"),
        ("RF64", "PCM_16"),
        ("W64", "PCM_16"),
        ("FLAC", "PCM_16"),
        ("MP3", "MPEG_LAYER_III"),
        ("OGG", "VORBIS"),
        ("OGG", "OPUS"),
    ],
)
def test_a_cut_file_is_decoded_to_its_end_with_a_shortfall(
    sound: Sound, write: Make, cut: Make, format_: str, subtype: str, share: float
) -> None:
    path = write("a", sound(10, 8000), 8000, format_, subtype)
    whole = drain(open_recording(path))
    recording = open_recording(cut(path, share))
    kept = drain(recording)
    assert (share - 0.25) * len(whole) < len(kept) < len(whole)
    assert recording.shortfall is not None
    if format_ != "OGG":  # whose header claims no length
        claimed_s, held_s = (float(number) for number in re.findall(r"([0-9.]+) s\b", recording.shortfall))
        assert claimed_s == pytest.approx(len(whole) / 8000, abs=0.2)  # ADPCM and GSM come in blocks
        assert held_s == pytest.approx(len(kept) / 8000, abs=0.005)
    if subtype != "GSM610":  # a cut block of GSM is decoded from what there is of it
        np.testing.assert_array_equal(kept, whole[: len(kept)])


def test_a_damaged_flac_keeps_all_up_to_the_damage(sound: Sound, write: Make) -> None:
    path = write("a.flac", sound(10), 16000, "FLAC", "PCM_16")
    whole = drain(open_recording(path))
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 500] = bytes(500)
    path.write_bytes(content)
    recording = open_recording(path)
    kept = drain(recording)
    assert 0.4 * len(whole) < len(kept) < 0.6 * len(whole)
    np.testing.assert_array_equal(kept, whole[: len(kept)])
    assert recording.shortfall is not None
    assert "decoder stopped" in recording.shortfall


def test_a_flac_that_cannot_be_decoded_from_its_first_block_on(sound: Sound, write: Make) -> None:
    path = write("a.flac", sound(10), 16000, "FLAC", "PCM_16")
    content = path.read_bytes()
    first_frame = content.find(b"\xff\xf8")
    path.write_bytes(content[:first_frame] + bytes(len(content) - first_frame))
    with pytest.raises(AudioError, match=r"a\.flac"):
        drain(open_recording(path))


@pytest.mark.parametrize("size", [0, 0x7FFFF000, 0xFFFFFFFF])
def test_a_wav_from_a_pipe_is_complete(sound: Sound, write: Make, size: int) -> None:
    path = write("a.wav", sound(2))
    wanted = drain(open_recording(path))
    content = bytearray(path.read_bytes())
    content[4:8] = content[40:44] = struct.pack("<I", size)
    path.write_bytes(content)
    recording = open_recording(path)
    np.testing.assert_array_equal(drain(recording), wanted)
    assert recording.shortfall is None


def test_no_samples_is_not_an_error(sound: Sound, write: Make, tmp_path: Path) -> None:
    path = write("a.wav", sound(2))
    content = path.read_bytes()
    header_of_none = content[:40] + bytes(4)
    for name, data in {
        "none.wav": header_of_none,
        "tags.wav": header_of_none + b"LIST" + struct.pack("<I", 4) + b"INFO",
        "cut.wav": content[:44],
    }.items():
        (tmp_path / name).write_bytes(data)
        recording = open_recording(tmp_path / name)
        assert len(drain(recording)) == 0, name
        assert recording.sample_rate == 16000


def test_one_sample(write: Make) -> None:
    assert drain(open_recording(write("one.wav", np.array([0.5], np.float32)))).tolist() == [[0.5]]


@pytest.mark.parametrize("subtype", ["FLOAT", "DOUBLE"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_end_a_recording_as_damage_does(write: Make, sound: Sound, subtype: str, bad: float) -> None:
    wave = sound(25)
    wave[[200_000, 399_999]] = bad
    recording = open_recording(write("a.wav", wave, 16000, "WAV", subtype))
    np.testing.assert_array_equal(drain(recording)[:, 0], wave[:160_000])
    assert recording.n_frames == 160_000
    assert recording.shortfall == (
        "a sample at 12.50 s is NaN or infinite; the header claims 25.00 s, 10.00 s could be read"
    )


def test_nan_in_the_first_block_is_an_error(write: Make, sound: Sound) -> None:
    wave = np.stack([sound(2)] * 2, axis=1)
    wave[8_000, 1] = np.nan
    with pytest.raises(AudioError, match=r"cannot be decoded .a sample at 0\.50 s is NaN or infinite"):
        drain(open_recording(write("a.wav", wave, 16000, "WAV", "FLOAT")))


def test_files_that_are_not_recordings(tmp_path: Path, sound: Sound, write: Make) -> None:
    (tmp_path / "empty.wav").touch()
    (tmp_path / "text.wav").write_text("This is not a sound.\n" * 100)
    (tmp_path / "text.mp3").write_text("This is not a sound.\n" * 100)
    (tmp_path / "half.wav").write_bytes(write("a.wav", sound(1)).read_bytes()[:20])
    (tmp_path / "list.m3u8").write_text("#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nhttp://127.0.0.1:9/a.ts\n")
    (tmp_path / "join.wav").write_text(f"ffconcat version 1.0\nfile '{tmp_path / 'a.wav'}'\n")
    os.mkfifo(tmp_path / "pipe.wav")
    for name, reason in {
        "empty.wav": "empty",
        "text.wav": "not a recording",
        "text.mp3": "decoded",
        "half.wav": "not a recording",
        "list.m3u8": "not a recording",
        "join.wav": "not a recording",
        "pipe.wav": "not a regular file",
        "nowhere.wav": "does not exist",
        ".": "is a directory",
    }.items():
        with pytest.raises(AudioError, match=reason) as caught:
            drain(open_recording(tmp_path / name))
        assert str(tmp_path) in caught.value.what
        assert caught.value.hint


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_without_read_permission(write: Make, sound: Sound) -> None:
    path = write("a.wav", sound(1))
    path.chmod(0)
    with pytest.raises(AudioError, match="no permission to read it"):
        open_recording(path)


@pytest.mark.parametrize("rate", [1, 900, 2_000_000])
def test_an_absurd_rate(write: Make, sound: Sound, rate: int) -> None:
    path = write("a.wav", sound(1))
    content = bytearray(path.read_bytes())
    content[24:28] = struct.pack("<I", rate)
    path.write_bytes(content)
    with pytest.raises(AudioError, match=f"rate of {rate} Hz"):
        open_recording(path)


def test_a_name_that_is_not_utf8(tmp_path: Path, write: Make, sound: Sound) -> None:
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/b\xf6se.wav"))
    write("a.wav", sound(1)).rename(odd)
    assert len(drain(open_recording(odd))) == 16000
    odd.write_bytes(b"no sound")
    with pytest.raises(AudioError) as caught:
        open_recording(odd)
    assert "b\\xf6se.wav" in str(caught.value).encode().decode()


def test_files_are_closed(tmp_path: Path, write: Make, sound: Sound) -> None:
    fds = Path("/proc/self/fd")
    if not fds.is_dir():
        pytest.skip("no /proc")
    path = write("a.wav", sound(1))
    (tmp_path / "text.wav").write_text("no sound")
    before = len(list(fds.iterdir()))
    for _ in range(5):
        drain(open_recording(path))
        with pytest.raises(AudioError):
            open_recording(tmp_path / "text.wav")
    assert len(list(fds.iterdir())) == before
