"""Waveform augmentation: versions of a recording with other voices, rooms, microphones and telephone lines.

The steps follow the path of sound: speaker, room, noise in it, microphone, level, clipping, line, codec.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import soxr
from numpy.typing import NDArray

from pcqtool.audio.codecs import CODECS, apply_codec
from pcqtool.audio.segment import SAMPLE_RATE
from pcqtool.errors import SettingsError

Wave = NDArray[np.float32]


@dataclass(frozen=True)
class Augmentations:
    """How far a version may differ from its recording; every change is drawn again for every version.

    Raises:
        SettingsError: a value that cannot be used.
    """

    speed: float = 0.15  # largest change of speed, and with it of pitch and formants, as a fraction
    crop_start_s: float = 0.3  # largest piece cut off at the start, at most a quarter of the version
    p_silence: float = 0.0  # probability of silence before and after the recording
    silence_s: float = 1.5  # longest silence
    p_reverb: float = 0.3  # probability of reverberation
    rt60_s: tuple[float, float] = (0.1, 0.5)  # range of reverberation times
    p_noise: float = 0.5  # probability of coloured noise
    snr_db: tuple[float, float] = (10.0, 40.0)  # range of its signal-to-noise ratio
    tilt_db: float = 6.0  # largest gain of a smooth random filter at any frequency
    gain_db: tuple[float, float] = (-24.0, 4.0)  # range of the level's change
    p_clip: float = 0.0  # probability of clipping
    clip_db: float = 20.0  # largest gain above full scale
    p_telephone: float = 0.2  # probability of a limit to the telephone band, 300 to 3 400 Hz
    p_codec: float = 0.3  # probability of passing through one of ``codecs``
    codecs: tuple[str, ...] = tuple(CODECS)  # names in pcqtool.audio.codecs.CODECS; all entries are equally likely
    trim_silence: bool = False  # cut recordings, and half of their versions, as labelling does: without silence

    def __post_init__(self) -> None:
        if not 0 <= self.speed < 1 or min(self.tilt_db, self.crop_start_s, self.silence_s, self.clip_db) < 0:
            raise SettingsError(
                "augmentations: speed must be from 0 to below 1; tilt_db, crop_start_s, silence_s and clip_db 0 or more"
            )
        names = [each.name for each in fields(self) if each.name.startswith("p_")]
        if not all(0 <= getattr(self, name) <= 1 for name in names):
            raise SettingsError(f"augmentations: {', '.join(names)} are probabilities, from 0 to 1")
        if not all(len(pair) == 2 and pair[0] <= pair[1] for pair in (self.snr_db, self.rt60_s, self.gain_db)):
            raise SettingsError("augmentations: snr_db, rt60_s and gain_db are ranges, the lower end first")
        if not self.codecs or not set(self.codecs) <= set(CODECS):
            raise SettingsError(f"augmentations: unknown codec in {list(self.codecs)}", f"Known: {', '.join(CODECS)}.")
        if self.rt60_s[0] < 1e-3:
            raise SettingsError("augmentations: rt60_s must be 0.001 s or more; set p_reverb = 0 to disable it")


def augment(wave: Wave, settings: Augmentations, rng: np.random.Generator) -> Wave:
    """Draw an augmented version of a mono 16 kHz recording ``(N,)``, within -1 to 1; its length changes."""
    wave = _change_speed(wave, 1.0 + rng.uniform(-settings.speed, settings.speed))
    start = int(rng.uniform(0, settings.crop_start_s) * SAMPLE_RATE)
    wave = wave[min(start, len(wave) // 4) :]
    if rng.random() < settings.p_silence:
        before, after = (rng.uniform(0, settings.silence_s, 2) * SAMPLE_RATE).astype(int)
        wave = np.pad(wave, (before, after))
    if rng.random() < settings.p_reverb:
        wave = _reverberate(wave, rng.uniform(*settings.rt60_s), rng)
    if rng.random() < settings.p_noise:
        wave = _add_noise(wave, rng.uniform(*settings.snr_db), rng)
    telephone = rng.random() < settings.p_telephone
    wave = _filter(wave, settings.tilt_db, telephone, rng)
    wave = np.asarray((wave * 10.0 ** (rng.uniform(*settings.gain_db) / 20.0)).clip(-1.0, 1.0), np.float32)
    if rng.random() < settings.p_clip:
        wave = _clip(wave, rng.uniform(0.0, settings.clip_db))
    if rng.random() < settings.p_codec:
        wave = apply_codec(wave, CODECS[str(rng.choice(settings.codecs))]).clip(-1.0, 1.0)
    return wave


def _change_speed(wave: Wave, factor: float) -> Wave:
    resampled: Wave = soxr.resample(wave, SAMPLE_RATE * factor, SAMPLE_RATE, quality="MQ")
    return resampled


def _clip(wave: Wave, gain_db: float) -> Wave:
    """Amplify a recording to a peak of ``gain_db`` above full scale, and clip it there."""
    gain = 10.0 ** (gain_db / 20.0) / max(float(np.abs(wave).max()), 1e-6)
    return np.asarray((wave * gain).clip(-1.0, 1.0), np.float32)


def _reverberate(wave: Wave, rt60_s: float, rng: np.random.Generator) -> Wave:
    """Add a tail of exponentially decaying noise, 60 dB down after ``rt60_s``, 0 to 12 dB below the direct sound."""
    n = int(rt60_s * SAMPLE_RATE)
    tail = rng.standard_normal(n) * np.exp(-6.91 * np.arange(n) / n)
    tail *= 10.0 ** (-rng.uniform(0.0, 12.0) / 20.0) / np.sqrt((tail**2).sum())
    tail[0] = 1.0
    size = len(wave) + n - 1
    wet = np.fft.irfft(np.fft.rfft(wave, size) * np.fft.rfft(tail, size), size)[: len(wave)]
    return np.asarray(wet, np.float32)


def _filter(wave: Wave, tilt_db: float, telephone: bool, rng: np.random.Generator) -> Wave:
    """Apply a smooth random gain over frequency, and the telephone band if asked for."""
    hz = np.fft.rfftfreq(len(wave), 1.0 / SAMPLE_RATE)
    knots = np.geomspace(50.0, 8000.0, 8)
    gain_db = np.interp(np.log(hz + 1.0), np.log(knots), rng.uniform(-tilt_db, tilt_db, len(knots)))
    if telephone:
        below, above = np.clip(1.0 - hz / 300.0, 0.0, 1.0), np.clip((hz - 3400.0) / 600.0, 0.0, 1.0)
        gain_db = gain_db - 60.0 * (below + above)
    filtered = np.fft.irfft(np.fft.rfft(wave) * 10.0 ** (gain_db / 20.0), len(wave))
    return np.asarray(filtered, np.float32)


def _add_noise(wave: Wave, snr_db: float, rng: np.random.Generator) -> Wave:
    """Add noise with a spectrum between white and brown."""
    spectrum = np.fft.rfft(rng.standard_normal(len(wave)))
    spectrum /= np.maximum(np.arange(len(spectrum)), 1.0) ** rng.uniform(0.0, 1.0)
    noise = np.fft.irfft(spectrum, len(wave))
    scale = np.sqrt((wave**2).mean() / max((noise**2).mean(), 1e-12)) * 10.0 ** (-snr_db / 20.0)
    return np.asarray(wave + scale * noise, np.float32)
