"""The settings of feature extraction, and the provenance of its tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pcqtool.batch.settings import BatchSettings, run_fingerprint
from pcqtool.errors import SettingsError
from pcqtool.tables.feature_schema import STATISTICS, statistic_columns
from pcqtool.tables.paths import Kind
from pcqtool.tables.provenance import Provenance
from pcqtool.tables.schema import CHANNEL, FILE, FILE_BEGIN, FILE_END, SEGMENT

FEATURES = ("spectrogram", "frames", "fusion")
STATISTICS_ALONE = "statistics"
WHAT = (*FEATURES, STATISTICS_ALONE)


@dataclass(frozen=True)
class FeatureSettings(BatchSettings):
    """Which features to extract; all of these settings change results.

    Attributes:
        what: ``spectrogram``, ``frames`` of a speech encoder, the ``fusion`` vector of a model, or ``statistics``: the
            columns that the file table has for every feature, without the features of segments.
        of: the feature of ``statistics``.
        layer: hidden state of the encoder: 0 for the input of its first layer, -1 for the output of the last; ``None``
            for the layers that a model uses, or an encoder's last.

    Raises:
        SettingsError: if a value is not possible.
    """

    what: str = "fusion"
    of: str = "frames"
    layer: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.what not in WHAT:
            raise SettingsError(f"unknown feature {self.what!r}", f"Known: {', '.join(WHAT)}.")
        if self.of not in FEATURES:
            raise SettingsError(f"unknown feature {self.of!r} for statistics", f"Known: {', '.join(FEATURES)}.")
        if self.layer is not None and self.feature != "frames":
            raise SettingsError(f"a layer applies to an encoder's frames, not to {self.feature}", "Leave --layer out.")

    @property
    def feature(self) -> str:
        """Name of the feature that is computed."""
        return self.of if self.what == STATISTICS_ALONE else self.what

    @property
    def in_segments(self) -> bool:
        """Whether the segment table has the feature."""
        return self.what != STATISTICS_ALONE

    def columns(self) -> dict[Kind, list[str]]:
        """Return the names of the columns of both tables."""
        files = [FILE, CHANNEL, *FILE_BEGIN, *FILE_END]
        names = [column.name for column in files]
        at = len(names) - len(FILE_END)
        names[at:at] = statistic_columns(self.feature)
        segments = [column.name for column in (FILE, CHANNEL, *SEGMENT)]
        return {"files": names, "segments": segments + [self.feature] * self.in_segments}

    def provenance(self, name: str, sha256: str, more: Mapping[str, Any]) -> Provenance:
        """Return the provenance of the tables; equal fingerprints, equal results.

        Args:
            name: name of the model or encoder.
            sha256: hash of its weights.
            more: further settings of the feature source that change results.
        """
        settings: dict[str, Any] = {"what": self.what, "of": self.feature, "layer": self.layer, **more}
        settings |= {**asdict(self.reader_options), "min_speech": self.min_speech}
        return Provenance(
            model=name,
            model_sha256=sha256,
            labels=(),
            fingerprint=run_fingerprint(sha256, settings),
            aggregation=", ".join(STATISTICS),
            settings=settings,
        )
