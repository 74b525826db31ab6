"""Telephone codecs: how a recording sounds after a telephone line or a messenger has transmitted it."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from pcqtool.audio.segment import SAMPLE_RATE

_OPUS_KBITS = (6.0, 256.0)  # per channel, at libsndfile's compression levels 1 and 0
_MIN_SAMPLES = 320  # samples at 16 kHz, one frame of 20 ms: for fewer, some codecs return nothing


@dataclass(frozen=True)
class Codec:
    """A codec of libsndfile, with the sampling rate at which it is used.

    Attributes:
        rate: Hz.
        container: libsndfile's name of the file format.
        subtype: libsndfile's name of the encoding.
        kbits: kbit/s without the container's overhead, for Opus.
    """

    rate: int
    container: str
    subtype: str
    kbits: float | None = None


CODECS = MappingProxyType(
    {
        "mulaw": Codec(8000, "WAV", "ULAW"),  # ITU-T G.711
        "alaw": Codec(8000, "WAV", "ALAW"),
        "gsm": Codec(8000, "WAV", "GSM610"),  # full rate, 13 kbit/s
        "opus-12": Codec(16000, "OGG", "OPUS", 12.0),
        "opus-32": Codec(16000, "OGG", "OPUS", 32.0),
    }
)
"""Codecs by configuration name."""


def apply_codec(wave: NDArray[np.float32], codec: Codec) -> NDArray[np.float32]:
    """Encode a mono 16 kHz recording ``(N,)`` and decode it again; length and timing do not change.

    libsndfile removes Opus's pre-skip. The samples that codecs append to fill their last frame are cut off.
    """
    padded = np.pad(wave, (0, max(0, _MIN_SAMPLES - len(wave))))
    decoded = _encode_and_decode(soxr.resample(padded, SAMPLE_RATE, codec.rate), codec)
    result: NDArray[np.float32] = soxr.resample(decoded, codec.rate, SAMPLE_RATE)[: len(wave)]
    return np.pad(result, (0, len(wave) - len(result)))


def _encode_and_decode(wave: NDArray[np.float32], codec: Codec) -> NDArray[np.float32]:
    settings: dict[str, Any] = {"format": codec.container, "subtype": codec.subtype}
    if codec.kbits is not None:
        lowest, highest = _OPUS_KBITS
        settings["compression_level"] = 1.0 - (codec.kbits - lowest) / (highest - lowest)
    with tempfile.TemporaryFile() as file:
        soundfile.write(file, wave, codec.rate, **settings)
        file.seek(0)
        decoded: NDArray[np.float32] = soundfile.read(file, dtype="float32")[0]
    return decoded[: len(wave)]
