"""AMR of telephones that send nothing in pauses (discontinuous transmission): a pause lasts as long as it lasted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pcqtool.audio.decoding.recording import open_recording

av = pytest.importorskip("av")

Make = Callable[..., Path]
FRAME_S = 0.02
SIZES = (12, 13, 15, 17, 19, 20, 26, 31)  # bytes of a narrow-band frame behind its first
SID, NO_DATA = bytes.fromhex("4426c7836a3e"), b"\x7c"  # what the encoder makes of silence


def frames_of(content: bytes) -> list[bytes]:
    """The frames of a narrow-band file that has speech alone."""
    at, frames = len(b"#!AMR\n"), []
    while at < len(content):
        size = 1 + SIZES[content[at] >> 3 & 15]
        frames.append(content[at : at + size])
        at += size
    return frames


def decode(path: Path) -> tuple[np.ndarray, int, str | None]:
    with open_recording(path) as recording:
        return np.concatenate(list(recording.blocks()))[:, 0], recording.sample_rate, recording.shortfall


@pytest.fixture
def frames(mux: Make, tone: Callable[..., np.ndarray]) -> list[bytes]:
    """Six seconds of a tone."""
    return frames_of(mux("tone.amr", "amr", ("libopencore_amrnb", 8000, (0, tone(6, 8000)))).read_bytes())


def test_a_pause_lasts_as_long_as_it_lasted(tmp_path: Path, frames: list[bytes]) -> None:
    pause = [SID if number % 8 == 0 else NO_DATA for number in range(200)]
    (tmp_path / "a.amr").write_bytes(b"#!AMR\n" + b"".join([*frames[:150], *pause, *frames[150:]]))
    wave, rate, shortfall = decode(tmp_path / "a.amr")
    assert (rate, shortfall) == (8000, None)
    assert len(wave) == round((len(frames) + 200) * FRAME_S * rate)
    assert np.abs(wave[round(3.5 * rate) : round(6.9 * rate)]).max() < 0.05
    for start_s, end_s in ((1, 2.9), (7.2, 9.9)):
        assert np.abs(wave[round(start_s * rate) : round(end_s * rate)]).max() > 0.3


@pytest.mark.parametrize(("ending", "container"), [("amr", "amr"), ("3gp", "3gp")])
def test_an_encoder_that_leaves_pauses_out(
    mux: Make, tone: Callable[..., np.ndarray], tmp_path: Path, ending: str, container: str
) -> None:
    wave = np.concatenate((tone(3, 8000), np.zeros(8000 * 5, np.float32), tone(2, 8000)))
    whole = mux("a.wav", "wav", ("pcm_s16le", 8000, (0, wave)))
    with av.open(str(whole)) as source, av.open(str(tmp_path / f"a.{ending}"), "w", format=container) as out:
        stream = out.add_stream("libopencore_amrnb", rate=8000, layout="mono", options={"dtx": "1"})
        for frame in source.decode(audio=0):
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    assert (tmp_path / f"a.{ending}").stat().st_size < 0.7 * 32 * 500, "there are pauses"
    wave, rate, shortfall = decode(tmp_path / f"a.{ending}")
    assert shortfall is None
    assert len(wave) / rate == pytest.approx(10, abs=0.05)
    assert np.abs(wave[round(3.4 * rate) : round(7.9 * rate)]).max() < 0.05
    assert np.abs(wave[round(8.2 * rate) :]).max() > 0.3


def test_a_recording_that_begins_and_ends_with_a_pause(tmp_path: Path, frames: list[bytes]) -> None:
    (tmp_path / "a.amr").write_bytes(b"#!AMR\n" + NO_DATA * 100 + b"".join(frames[:50]) + NO_DATA * 100)
    wave, rate, shortfall = decode(tmp_path / "a.amr")
    assert shortfall is None
    assert len(wave) / rate == pytest.approx(5, abs=0.001)
    assert np.abs(wave[: round(1.9 * rate)]).max() < 0.01


def test_wide_band(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    speech = [b"\x04" + rng.bytes(17) for _ in range(100)]  # 6.6 kbit/s
    pause = [b"\x4c" + bytes(5) if number % 8 == 0 else NO_DATA for number in range(150)]
    (tmp_path / "a.awb").write_bytes(b"#!AMR-WB\n" + b"".join([*speech, *pause, *speech]))
    wave, rate, shortfall = decode(tmp_path / "a.awb")
    assert (rate, shortfall) == (16000, None)
    assert len(wave) / rate == pytest.approx(7, abs=0.001)


@pytest.mark.parametrize("decoder", ["libopencore_amrnb", "amrnb"])
def test_rejected_frames_become_silence_of_their_duration(
    tmp_path: Path, frames: list[bytes], monkeypatch: pytest.MonkeyPatch, decoder: str
) -> None:
    monkeypatch.setattr("pcqtool.audio.decoding.container._PREFERRED_DECODERS", {"amrnb": (decoder, 8000)})
    reserved = [b"\x6c"] * 75  # a type of frame that does not exist
    (tmp_path / "a.amr").write_bytes(b"#!AMR\n" + b"".join([*frames[:150], *reserved, *frames[150:]]))
    wave, rate, shortfall = decode(tmp_path / "a.amr")
    assert len(wave) == round((len(frames) + 75) * FRAME_S * rate)
    assert not wave[3 * rate : round(4.5 * rate)].any()
    assert shortfall is not None
    assert shortfall.startswith("75 packet(s) cannot be decoded")
