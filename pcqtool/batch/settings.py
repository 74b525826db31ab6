"""The settings that all batch runs share, whatever their task."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pcqtool.arguments import n_jobs
from pcqtool.audio.channel_segmenter import MIN_SPEECH
from pcqtool.audio.limits import TIMEOUT_S, Limits
from pcqtool.audio.reader import ReaderOptions
from pcqtool.audio.segment import SegmentSpan
from pcqtool.audio.turns import TurnTable
from pcqtool.errors import SettingsError
from pcqtool.fingerprint import fingerprint
from pcqtool.tables.schema import SCHEMA_VERSION


@dataclass(frozen=True)
class BatchSettings:
    """How recordings are read and batched; ``reader_options``, ``turns`` and the minima of speech change results.

    Attributes:
        reader_options: channels and voice activity detection.
        min_speech: segments with a smaller fraction of speech are skipped (0 to 1; not used without detection).
        min_speech_s: segments with fewer seconds of speech are skipped (not used without detection).
        turns: who speaks when, which changes results; None if it is unknown.
        batch_size: segments computed at once; None for a number that suits the device.
        jobs: files decoded at the same time; 0 for one per processor core.
        limits: a recording that exceeds them fails.
        timeout_s: a recording fails if its decoder crashes or gives no output for this long; 0 turns isolation off:
            files are decoded in this process, which a crash then ends.

    Raises:
        SettingsError: if a value is not possible.
    """

    reader_options: ReaderOptions = field(default_factory=ReaderOptions)
    min_speech: float = MIN_SPEECH
    min_speech_s: float = 0.0
    turns: TurnTable | None = None
    batch_size: int | None = None
    jobs: int = 0
    limits: Limits = field(default_factory=Limits)
    timeout_s: float = TIMEOUT_S

    def __post_init__(self) -> None:
        if not 0.0 <= self.min_speech <= 1.0:
            raise SettingsError(f"min_speech must be between 0 and 1, not {self.min_speech}")
        if not 0.0 <= self.min_speech_s < math.inf:
            raise SettingsError(f"min_speech_s must be 0 or more seconds, not {self.min_speech_s}")
        if (self.batch_size is not None and self.batch_size < 1) or self.jobs < 0:
            raise SettingsError("batch size must be 1 or more, jobs 0 or more")
        if not 0 <= self.timeout_s < math.inf:
            raise SettingsError(f"the timeout must be 0 or more seconds, not {self.timeout_s}")

    def has_enough_speech(self, span: SegmentSpan) -> bool:
        """Whether a segment is classified."""
        return span.speech is None or (span.speech >= self.min_speech and span.speech_s >= self.min_speech_s)

    @property
    def n_jobs(self) -> int:
        """Number of files decoded at the same time."""
        return n_jobs(self.jobs)


def run_fingerprint(model_sha256: str, settings: Mapping[str, Any]) -> str:
    """Hash everything that changes the results of a run: equal fingerprints, equal results."""
    return fingerprint([SCHEMA_VERSION, model_sha256, settings])
