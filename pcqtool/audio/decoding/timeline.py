"""When the sound of a container stands: silence for the gaps in its timestamps, so that times are a player's."""

from __future__ import annotations

from dataclasses import dataclass, field

JITTER_S = 0.1  # what timestamps are off without meaning it: rounding to milliseconds, drifting clocks, codecs' delay
EXACT_S = 0.002  # the same where a packet was refused just before, so that a gap is sure: rounding alone
JUMP_S = 1.0  # how far back timestamps jump that have begun anew, as in joined files
LONGEST_S = 3600.0  # the longest gap that is believed of a container that does not state its length
LONGEST_STATED_S = 24 * 3600.0  # and of one that does, where the gap lies within it


@dataclass
class Timeline:
    """Where the next sample stands, counted in samples and seen in timestamps.

    Sound is never taken away: what timestamps count less than there is, is made good for by the next gap; where they
    jump back, or further ahead than the recording is long, they are taken to begin anew.

    Args:
        rate: of the sound, in Hz.
        zero_s: the timestamp that a player calls 0.
        end_s: the last timestamp that can be right; None if the container does not state it.

    Attributes:
        n_placed: samples up to now, with silence.
        fault: what is wrong with the timestamps; None if nothing.
    """

    rate: int
    zero_s: float
    end_s: float | None = None
    n_placed: int = 0
    fault: str | None = field(default=None, init=False)

    def gap(self, at_s: float, next_s: float | None = None, exact: bool = False) -> int:
        """Return the samples of silence that go before sound.

        Args:
            at_s: its timestamp.
            next_s: the timestamp of what follows; if that falls back behind ``at_s``, this one is not believed.
            exact: sound is known to be missing here.
        """
        n_missing = round((at_s - self.zero_s) * self.rate) - self.n_placed
        missing_s = n_missing / self.rate
        if missing_s < -JUMP_S:
            self.zero_s = at_s - self.n_placed / self.rate
        if missing_s <= (EXACT_S if exact else JITTER_S) or (next_s is not None and next_s < at_s):
            return 0
        if not self._believes(at_s, missing_s):
            self.fault = self.fault or (
                f"timestamps jump {missing_s:.0f} s ahead at {self.n_placed / self.rate:.2f} s, which cannot be a gap:"
                " the sound is taken as continuous"
            )
            self.zero_s = at_s - self.n_placed / self.rate
            return 0
        return n_missing

    def _believes(self, at_s: float, missing_s: float) -> bool:
        if self.end_s is None:
            return missing_s <= LONGEST_S
        return missing_s <= LONGEST_STATED_S and at_s <= self.end_s + JUMP_S
