"""Streaming voice activity detection: silero-vad's network, many windows per call, and its on-off rule."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pcqtool.audio.segment import SAMPLE_RATE, Segmenter
from pcqtool.audio.vad_network import WINDOW, VadNetwork

WINDOWS_PER_CALL = 256  # 8.2 s; constant, so that rounding does not depend on the sizes of the blocks

ONSET = 0.5  # speech begins at this probability
OFFSET = 0.35  # and ends below this one
MIN_SPEECH_S = 0.25  # shorter speech counts as a click
MIN_SILENCE_S = 0.1  # a shorter dip is a pause for breath

LOUD = 95  # percentile of the windows' levels that is the level of a call of the network
USUAL_LEVEL = 0.2  # root mean square of loud windows in recordings of usual level; quieter ones are amplified to it
MAX_GAIN = 200.0
FORGETTING = 0.9  # factor of the level that is remembered, per call of the network


class VoiceActivityDetector:
    """Decides for each window of 512 samples whether it is speech, in one stream of 16 kHz mono audio.

    The network finds less speech in quiet recordings. They are amplified for it, as if they were recorded at a usual
    level; loud ones stay as they are. The level is that of the loudest audio so far, which is forgotten slowly (6 dB a
    minute): a channel with the echo of another one, in between, does not become loud.

    The result does not depend on the sizes of the blocks. It is about 8 s of audio late.

    Examples:
        >>> detector = VoiceActivityDetector()
        >>> detector.push(np.zeros(16000, np.float32)).shape  # too early to decide
        (0,)
        >>> detector.flush().shape
        (32,)
    """

    def __init__(self) -> None:
        self._network = VadNetwork()
        self._calls = Segmenter(WINDOWS_PER_CALL * WINDOW, np.float32)
        self._level = 0.0
        self._hysteresis = Hysteresis()

    def push(self, block: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
        """Add the next samples ``(n,)``; return the decisions on the next windows, as far as they are known."""
        decided = [self._hysteresis.push(self._probabilities(samples)) for samples in self._calls.push(block)]
        return np.concatenate(decided) if decided else np.zeros(0, bool)

    def flush(self) -> npt.NDArray[np.bool_]:
        """End the stream; return the remaining decisions; the last window may reach beyond the end."""
        tail, lengths = self._calls.flush()
        decided = [
            self._hysteresis.push(self._probabilities(samples[: -(-n // WINDOW) * WINDOW]))
            for samples, n in zip(tail, lengths, strict=True)
        ]
        return np.concatenate([*decided, self._hysteresis.flush()])

    def _probabilities(self, samples: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Run the network over whole windows: ``(k * 512,)`` → ``(k,)``."""
        return self._network.probabilities(self._amplified(samples.reshape(-1, WINDOW)))

    def _amplified(self, windows: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Amplify the windows of a call ``(k, 512)``, unless they are loud enough."""
        levels = np.sqrt(np.einsum("ij,ij->i", windows, windows) / WINDOW)
        self._level = max(float(np.percentile(levels, LOUD)), FORGETTING * self._level)
        if self._level >= USUAL_LEVEL or self._level == 0.0:
            return windows
        return windows * np.float32(min(USUAL_LEVEL / self._level, MAX_GAIN))


class Hysteresis:
    """From probabilities to speech, as silero-vad's ``get_speech_timestamps`` does it, but as a stream.

    Speech begins at a window of at least 0.5. It ends at the first window below 0.35 after which 0.5 is not reached
    again for 0.1 s; without windows to confirm this, it ends with the stream. Speech of up to 0.25 s is dropped. Two
    simplifications: speech gets no margins (silero-vad adds 30 ms, so that cutting there is gentle; nothing is cut
    here), and windows between 0.35 and 0.5 after a dip count as silence, so that no window stays undecided for long.
    """

    def __init__(self) -> None:
        self._n_windows = 0
        self._n_decided = 0
        self._start: int | None = None  # window where the current speech began
        self._dip: int | None = None  # window where it may have ended
        self._speech: list[tuple[int, int]] = []  # complete, not returned yet

    def push(self, probabilities: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
        """Add the next windows' probabilities; return the decisions that are certain."""
        for probability in probabilities.tolist():
            self._step(probability)
            self._n_windows += 1
        if self._start is None:
            return self._decide(self._n_windows)
        certain_end = self._n_windows if self._dip is None else self._dip
        if _long_enough(certain_end - self._start):
            return self._decide(certain_end, (self._start, certain_end))
        return self._decide(self._start)

    def flush(self) -> npt.NDArray[np.bool_]:
        """End the stream; return the remaining decisions."""
        if self._start is not None and _long_enough(self._n_windows - self._start):
            self._speech.append((self._start, self._n_windows))
        return self._decide(self._n_windows)

    def _step(self, probability: float) -> None:
        if probability >= ONSET:
            self._dip = None
            if self._start is None:
                self._start = self._n_windows
            return
        if self._start is None:
            return
        if self._dip is None and probability < OFFSET:
            self._dip = self._n_windows
        if self._dip is not None and (self._n_windows - self._dip) * WINDOW >= MIN_SILENCE_S * SAMPLE_RATE:
            if _long_enough(self._dip - self._start):
                self._speech.append((self._start, self._dip))
            self._start = self._dip = None

    def _decide(self, end: int, *more: tuple[int, int]) -> npt.NDArray[np.bool_]:
        speech = np.zeros(max(0, end - self._n_decided), dtype=bool)
        for first, last in (*self._speech, *more):
            speech[max(0, first - self._n_decided) : max(0, last - self._n_decided)] = True
        self._speech.clear()
        self._n_decided += len(speech)
        return speech


def _long_enough(n_windows: int) -> bool:
    return n_windows * WINDOW > MIN_SPEECH_S * SAMPLE_RATE
