"""Which events become clips; apart, so that the command line can name its defaults."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pcqtool.errors import SettingsError


@dataclass(frozen=True)
class ClipRule:
    """Which events become clips, and how long these are.

    Attributes:
        top: number of the strongest events of each label.
        margin_s: seconds before and after an event that its clip also contains.
        min_duration_s: shorter events are left out.
        max_duration_s: of a longer event, the clip contains this many seconds around the peak.

    Raises:
        SettingsError: a value is invalid.
    """

    top: int = 20
    margin_s: float = 0.0
    min_duration_s: float = 0.0
    max_duration_s: float = 30.0

    def __post_init__(self) -> None:
        if self.top < 1:
            raise SettingsError(f"{self.top} clips are not possible", "Use 1 or more.")
        for name in ("margin_s", "min_duration_s"):
            if not 0 <= getattr(self, name) < math.inf:
                raise SettingsError(f"{name} cannot be {getattr(self, name)}", "Use 0 s or more.")
        if not 0 < self.max_duration_s < math.inf:
            raise SettingsError(f"max_duration_s cannot be {self.max_duration_s}", "Use more than 0 s.")

    def span(self, start_s: float, end_s: float, peak_s: float) -> tuple[float, float]:
        """Return the part of an event that a clip contains, without margin, in seconds.

        Examples:
            >>> ClipRule(max_duration_s=10.0).span(60.0, 100.0, 81.0)
            (76.0, 86.0)
        """
        length_s = min(end_s - start_s, self.max_duration_s)
        first_s = min(max(peak_s - length_s / 2, start_s), end_s - length_s)
        return first_s, first_s + length_s
