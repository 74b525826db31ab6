"""Timestamps of a container: gaps become silence, so that times agree with a player's."""

from __future__ import annotations

from dataclasses import dataclass, field

JITTER_S = 0.1  # error of timestamps without meaning: rounding to milliseconds, drifting clocks, codec delay
EXACT_S = 0.002  # the same after a rejected packet, when a gap is certain: rounding alone
JUMP_S = 1.0  # a jump back by more means that timestamps have restarted, as in joined files
MAX_GAP_S = 3600.0  # longest plausible gap in a container that does not state its duration
MAX_STATED_GAP_S = 24 * 3600.0  # and in one that does, if the gap is within this duration


@dataclass
class Timeline:
    """The position of the next sample, in samples and in timestamps.

    Audio is never removed. If timestamps count less than the decoded samples, the next gap is shortened accordingly. If
    they jump back, or ahead beyond the end of the recording, they are assumed to have restarted.

    Args:
        rate: of the audio, in Hz.
        zero_s: the timestamp that a player shows as 0.
        end_s: the last plausible timestamp; None if the container does not state it.

    Attributes:
        n_placed: samples so far, including silence.
        fault: what is wrong with the timestamps; None if nothing.
    """

    rate: int
    zero_s: float
    end_s: float | None = None
    n_placed: int = 0
    fault: str | None = field(default=None, init=False)

    def gap(self, at_s: float, next_s: float | None = None, exact: bool = False) -> int:
        """Return the number of samples of silence before a frame.

        Args:
            at_s: the frame's timestamp.
            next_s: the next frame's timestamp; if it is before ``at_s``, ``at_s`` is considered wrong.
            exact: whether audio is known to be missing here.
        """
        n_missing = round((at_s - self.zero_s) * self.rate) - self.n_placed
        missing_s = n_missing / self.rate
        if missing_s < -JUMP_S:
            self.zero_s = at_s - self.n_placed / self.rate
        if missing_s <= (EXACT_S if exact else JITTER_S) or (next_s is not None and next_s < at_s):
            return 0
        if not self._is_plausible(at_s, missing_s):
            self.fault = self.fault or (
                f"timestamps jump {missing_s:.0f} s ahead at {self.n_placed / self.rate:.2f} s, which cannot be a gap:"
                " the audio is treated as continuous"
            )
            self.zero_s = at_s - self.n_placed / self.rate
            return 0
        return n_missing

    def _is_plausible(self, at_s: float, missing_s: float) -> bool:
        if self.end_s is None:
            return missing_s <= MAX_GAP_S
        return missing_s <= MAX_STATED_GAP_S and at_s <= self.end_s + JUMP_S
