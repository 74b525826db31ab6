"""What a user can set about every run, whatever is made of the recordings."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pcqtool.audio.channel_segmenter import MIN_SPEECH
from pcqtool.audio.limits import Limits
from pcqtool.audio.reader import ReaderOptions
from pcqtool.errors import SettingsError
from pcqtool.fingerprint import fingerprint
from pcqtool.tables.schema import SCHEMA_VERSION


@dataclass(frozen=True)
class BatchSettings:
    """How recordings are heard; of these, only ``reading`` and ``min_speech`` change results.

    Attributes:
        reading: channels and voice activity detection.
        min_speech: a segment with a smaller share of speech is passed over (0 to 1; not used without detection).
        batch_size: segments computed at once.
        jobs: files decoded at the same time; 0 for one a processor core.
        limits: what a recording may cost; one beyond fails.
        timeout_s: a recording fails whose decoder gives nothing for this long, or crashes; 0 decodes in this process,
            which a crash then ends. Other processes need what ``multiprocessing`` needs: a script that guards its
            main part with ``if __name__ == "__main__":``.
    """

    reading: ReaderOptions = field(default_factory=ReaderOptions)
    min_speech: float = MIN_SPEECH
    batch_size: int = 32
    jobs: int = 0
    limits: Limits = field(default_factory=Limits)
    timeout_s: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.min_speech <= 1.0:
            raise SettingsError(f"the least share of speech lies between 0 and 1, not at {self.min_speech}")
        if self.batch_size < 1 or self.jobs < 0:
            raise SettingsError("batch size must be 1 or more, jobs 0 or more")
        if not 0 <= self.timeout_s < math.inf:
            raise SettingsError(f"the time limit is 0 or more seconds, not {self.timeout_s}")

    @property
    def n_jobs(self) -> int:
        """Number of files decoded at the same time."""
        from joblib import cpu_count

        return self.jobs or int(cpu_count())  # of those that this process may use


def run_fingerprint(model_sha256: str, settings: Mapping[str, Any]) -> str:
    """Hash everything that changes the results of a run: equal fingerprints, equal results."""
    return fingerprint([SCHEMA_VERSION, model_sha256, settings])
