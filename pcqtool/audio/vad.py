"""Voice activity, streaming: silero-vad's network that takes many windows in one call, and its rule for on and off."""

from __future__ import annotations

import importlib.util
import threading
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pcqtool.audio.segment import SAMPLE_RATE, Segmenter
from pcqtool.errors import ModelError

WINDOW = 512  # samples, 32 ms
CONTEXT = 64  # samples of the window before, that the network sees too
WINDOWS_A_CALL = 256  # 8.2 s; always the same number, so that rounding does not depend on how a stream is cut

ON = 0.5  # speech begins at this probability
OFF = 0.35  # and ends below this one
MIN_SPEECH_S = 0.25  # shorter speech is taken for a click
MIN_SILENCE_S = 0.1  # a shorter dip is a pause for breath

_session: Any = None
_session_lock = threading.Lock()


class VoiceActivity:
    """Tells for each window of 512 samples whether it is speech, over one stream of 16 kHz mono.

    The result does not depend on the sizes of the blocks. It comes late: after about 8 s of sound.
    """

    def __init__(self) -> None:
        self._session = session()
        self._calls = Segmenter(WINDOWS_A_CALL * WINDOW, np.float32)
        self._state = [np.zeros((1, 1, 128), np.float32)] * 2  # hidden and cell
        self._context = np.zeros(CONTEXT, np.float32)
        self._rule = Hysteresis()

    def push(self, block: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
        """Take the next samples ``(n,)``; give the windows decided by now, following on those given before."""
        decided = [self._rule.push(self._probabilities(samples)) for samples in self._calls.push(block)]
        return np.concatenate(decided) if decided else np.zeros(0, bool)

    def flush(self) -> npt.NDArray[np.bool_]:
        """End the stream; give the windows not given yet, the last of which may reach beyond the end."""
        tail, lengths = self._calls.flush()
        decided = [
            self._rule.push(self._probabilities(samples[: -(-n // WINDOW) * WINDOW]))
            for samples, n in zip(tail, lengths, strict=True)
        ]
        return np.concatenate([*decided, self._rule.flush()])

    def _probabilities(self, samples: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Run the network over whole windows: ``(k * 512,)`` → ``(k,)``."""
        windows = samples.reshape(-1, WINDOW)
        before = np.concatenate((self._context[None], windows[:-1, -CONTEXT:]))
        self._context = windows[-1, -CONTEXT:].copy()
        feed = {"input": np.concatenate((before, windows), axis=1), "h": self._state[0], "c": self._state[1]}
        found, *self._state = self._session.run(["speech_probs", "hn", "cn"], feed)
        return np.asarray(found, dtype=np.float32).reshape(-1)


class Hysteresis:
    """From probabilities to speech, as silero-vad's ``get_speech_timestamps`` does it, but as a stream.

    Speech begins at a window of at least 0.5. It ends at the first window below 0.35 after which 0.5 is not reached
    again for 0.1 s; an end that no more windows confirm is the stream's end. Speech of up to 0.25 s is dropped. Two
    simplifications: nothing is added on both sides of speech (silero-vad adds 30 ms, so that cutting there is gentle;
    nothing is cut here), and what lies between 0.35 and 0.5 after a dip counts as part of the silence, so that no
    window stays undecided for long.
    """

    def __init__(self) -> None:
        self._n_seen = 0
        self._n_given = 0
        self._start: int | None = None  # window where the present speech began
        self._dip: int | None = None  # window where it perhaps ended
        self._speech: list[tuple[int, int]] = []  # ended, not given yet

    def push(self, probabilities: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
        """Take the next windows' probabilities; give the windows decided by now."""
        for probability in probabilities.tolist():
            self._take(probability)
            self._n_seen += 1
        if self._start is None:
            return self._give(self._n_seen)
        sure_end = self._n_seen if self._dip is None else self._dip
        if _long_enough(sure_end - self._start):
            return self._give(sure_end, (self._start, sure_end))
        return self._give(self._start)

    def flush(self) -> npt.NDArray[np.bool_]:
        """End the stream; give the windows not given yet."""
        if self._start is not None and _long_enough(self._n_seen - self._start):
            self._speech.append((self._start, self._n_seen))
        return self._give(self._n_seen)

    def _take(self, probability: float) -> None:
        if probability >= ON:
            self._dip = None
            if self._start is None:
                self._start = self._n_seen
            return
        if self._start is None:
            return
        if self._dip is None and probability < OFF:
            self._dip = self._n_seen
        if self._dip is not None and (self._n_seen - self._dip) * WINDOW >= MIN_SILENCE_S * SAMPLE_RATE:
            if _long_enough(self._dip - self._start):
                self._speech.append((self._start, self._dip))
            self._start = self._dip = None

    def _give(self, end: int, *more: tuple[int, int]) -> npt.NDArray[np.bool_]:
        given = np.zeros(max(0, end - self._n_given), dtype=bool)
        for first, last in (*self._speech, *more):
            given[max(0, first - self._n_given) : max(0, last - self._n_given)] = True
        self._speech.clear()
        self._n_given += len(given)
        return given


def _long_enough(n_windows: int) -> bool:
    return n_windows * WINDOW > MIN_SPEECH_S * SAMPLE_RATE


def session() -> Any:
    """The network, loaded once in a process and shared by its threads; each call runs in its caller's thread alone.

    Raises:
        ModelError: silero-vad is not installed, or without this model.
    """
    global _session
    with _session_lock:
        if _session is None:
            import onnxruntime

            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = options.inter_op_num_threads = 1
            _session = onnxruntime.InferenceSession(
                str(model_file()), sess_options=options, providers=["CPUExecutionProvider"]
            )
        return _session


def model_file() -> Path:
    """Find the network's file; the package itself is not imported, since that sets torch to one thread.

    Raises:
        ModelError: silero-vad is not installed, or without this model.
    """
    package = importlib.util.find_spec("silero_vad")
    if package is not None and package.origin is not None:
        file = Path(package.origin).parent / "data" / "silero_vad_16k_sequence.onnx"
        if file.is_file():
            return file
    raise ModelError(
        "silero-vad's sequence model is not installed", "Run: pip install 'silero-vad>=6.2', or turn VAD off."
    )
