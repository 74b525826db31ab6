"""Sounds made here: what the tests of the audio layer read."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

Make = Callable[..., Path]


@pytest.fixture
def sound() -> Callable[..., np.ndarray]:
    """Makes noise of wavering loudness: ``(n,)`` float32, or ``(n, channels)`` of different noises."""

    def make(seconds: float = 2.0, rate: int = 16000, channels: int | None = None, seed: int = 0) -> np.ndarray:
        rng = np.random.default_rng(seed)
        n = round(seconds * rate)
        noise = rng.standard_normal((n, channels or 1)) * 0.1
        noise *= 1 + 0.9 * np.sin(np.arange(n) / rate * 3)[:, None]
        return noise.astype(np.float32)[:, 0 if channels is None else slice(None)]

    return make


@pytest.fixture
def write(tmp_path: Path) -> Make:
    """Writes a sound file with soundfile, whatever its name says."""

    def make(name: str, wave: np.ndarray, rate: int = 16000, format: str = "WAV", subtype: str = "PCM_16") -> Path:  # noqa: A002
        path = tmp_path / name
        soundfile.write(os.fspath(path), wave, rate, format=format, subtype=subtype)
        return path

    return make


@pytest.fixture
def cut() -> Callable[[Path, float], Path]:
    """Cuts a file's end off: what an interrupted copy leaves."""

    def make(path: Path, share: float) -> Path:
        content = path.read_bytes()
        path.write_bytes(content[: int(len(content) * share)])
        return path

    return make


@pytest.fixture(scope="session")
def emodb() -> Path:
    """Real speech, where it is at hand."""
    default = Path(__file__).parents[2].parent / "shared" / "corpora"
    folder = Path(os.environ.get("PCQTOOL_CORPORA", default)) / "emodb" / "wav"
    if not folder.is_dir():
        pytest.skip("EMO-DB is not here")
    return folder


@pytest.fixture
def tone() -> Callable[..., np.ndarray]:
    """Makes a tone ``(n,)`` of half the full scale."""

    def make(seconds: float, rate: int, hertz: float = 440.0) -> np.ndarray:
        return (0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)

    return make


@pytest.fixture
def mux(tmp_path: Path) -> Make:
    """Writes tracks, and a picture of ``video_s`` seconds, into a container of FFmpeg's.

    A track is ``(codec, rate, (start_s, wave), (start_s, wave), ...)``; ``default`` is the number of the flagged one.
    """
    av = pytest.importorskip("av")

    def encode(stream: Any, rate: int, waves: Iterable[tuple[float, np.ndarray]]) -> Iterator[Any]:
        for start_s, wave in waves:
            for first in range(0, len(wave), 1024):
                part = np.ascontiguousarray(wave[None, first : first + 1024], np.float32)
                frame = av.AudioFrame.from_ndarray(part, format="fltp", layout="mono")
                frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
                frame.pts = round(start_s * rate) + first
                yield from stream.encode(frame)
        yield from stream.encode()

    def encode_picture(stream: Any, seconds: float) -> Iterator[Any]:
        for number in range(round(seconds * 10)):
            frame = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
            frame.pts = number
            yield from stream.encode(frame)
        yield from stream.encode()

    def make(
        name: str,
        container: str,
        *tracks: Any,
        video_s: float = 0.0,
        default: int | None = None,
        options: dict[str, str] | None = None,
    ) -> Path:
        path = tmp_path / name
        with av.open(str(path), "w", format=container, options=options or {}) as out:
            packets: list[Any] = []
            if video_s:
                video = out.add_stream("mpeg4", rate=10)
                video.width = video.height = 64
                video.pix_fmt = "yuv420p"
            streams = [out.add_stream(codec, rate=rate, layout="mono") for codec, rate, *_ in tracks]
            for number, stream in enumerate(streams):
                if stream.codec_context.name.startswith("wma"):  # has no bit rate of its own choice
                    stream.bit_rate = 128_000
                stream.disposition = av.stream.Disposition(int(number == default))
            if video_s:
                packets += encode_picture(video, video_s)
            for stream, (_, rate, *waves) in zip(streams, tracks, strict=True):
                packets += encode(stream, rate, waves)
            packets.sort(key=lambda packet: packet.dts * packet.time_base)
            out.mux(packets)
        return path

    return make
