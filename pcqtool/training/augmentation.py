"""Views of a recording for training: what another speaker, room, microphone or telephone line would make of it.

A view goes the way of sound: speaker, room, noise in it, microphone, level, line, codec.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import soxr
from numpy.typing import NDArray

from pcqtool.audio.codecs import CODECS, apply_codec
from pcqtool.audio.segment import SAMPLE_RATE
from pcqtool.errors import SettingsError

Wave = NDArray[np.float32]


@dataclass(frozen=True)
class ViewSettings:
    """How far a view may lie from its recording; each change is drawn anew for each view.

    Attributes:
        speed: largest change of speed, and with it of pitch and formants, as a share.
        cut_s: largest piece cut off at the start, at most a quarter of the view.
        reverb: share of views with reverberation.
        reverb_s: range of reverberation times.
        noise: share of views with coloured noise.
        snr_db: range of its signal-to-noise ratio.
        tilt_db: largest gain of a smooth random filter at any frequency.
        gain_db: range of the level's change.
        telephone: share of views limited to the telephone band, 300 to 3 400 Hz.
        codec: share of views that one of ``codecs`` has carried.
        codecs: names of ``pcqtool.audio.codecs.CODECS``, each mention as likely as the others.

    Raises:
        SettingsError: a value that cannot be used.
    """

    speed: float = 0.15
    cut_s: float = 0.3
    reverb: float = 0.3
    reverb_s: tuple[float, float] = (0.1, 0.5)
    noise: float = 0.5
    snr_db: tuple[float, float] = (10.0, 40.0)
    tilt_db: float = 6.0
    gain_db: tuple[float, float] = (-24.0, 4.0)
    telephone: float = 0.2
    codec: float = 0.3
    codecs: tuple[str, ...] = tuple(CODECS)

    def __post_init__(self) -> None:
        if not 0 <= self.speed < 1 or min(self.tilt_db, self.cut_s) < 0:
            raise SettingsError("views: speed must lie from 0 to below 1, tilt_db and cut_s be 0 or more")
        if not all(0 <= share <= 1 for share in (self.noise, self.reverb, self.telephone, self.codec)):
            raise SettingsError("views: noise, reverb, telephone and codec are shares, from 0 to 1")
        if not all(len(pair) == 2 and pair[0] <= pair[1] for pair in (self.snr_db, self.reverb_s, self.gain_db)):
            raise SettingsError("views: snr_db, reverb_s and gain_db are ranges, the lower end first")
        if not self.codecs or not set(self.codecs) <= set(CODECS):
            raise SettingsError(f"views: codecs {list(self.codecs)} are not all known", f"Known: {', '.join(CODECS)}.")
        if self.reverb_s[0] < 1e-3:
            raise SettingsError("views: reverberation lasts 0.001 s or more; for none, let reverb be 0")

    def as_spoken(self) -> ViewSettings:
        """Give settings whose views are these ones before room, noise, microphone, level, line and codec."""
        return replace(self, reverb=0.0, noise=0.0, tilt_db=0.0, gain_db=(0.0, 0.0), telephone=0.0, codec=0.0)


def make_view(wave: Wave, settings: ViewSettings, rng: np.random.Generator) -> Wave:
    """Draw one view of a mono 16 kHz recording ``(N,)``: any level, from -1 to 1; its length changes with the speed.

    Speed and cut are drawn first: the same generator gives the same ones under ``settings.as_spoken()``.
    """
    view = _change_speed(wave, 1.0 + rng.uniform(-settings.speed, settings.speed))
    cut = int(rng.uniform(0, settings.cut_s) * SAMPLE_RATE)
    view = view[min(cut, len(view) // 4) :]
    if rng.random() < settings.reverb:
        view = _reverberate(view, rng.uniform(*settings.reverb_s), rng)
    if rng.random() < settings.noise:
        view = _add_noise(view, rng.uniform(*settings.snr_db), rng)
    telephone = rng.random() < settings.telephone
    view = _filter(view, settings.tilt_db, telephone, rng)
    view = np.asarray((view * 10.0 ** (rng.uniform(*settings.gain_db) / 20.0)).clip(-1.0, 1.0), np.float32)
    if rng.random() < settings.codec:
        view = apply_codec(view, CODECS[str(rng.choice(settings.codecs))]).clip(-1.0, 1.0)
    return view


def _change_speed(wave: Wave, factor: float) -> Wave:
    resampled: Wave = soxr.resample(wave, SAMPLE_RATE * factor, SAMPLE_RATE, quality="MQ")
    return resampled


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
