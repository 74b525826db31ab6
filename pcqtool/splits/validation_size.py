"""How many of the speakers, texts or tenths that do not test are to validate."""

from __future__ import annotations

from dataclasses import dataclass

from pcqtool.errors import SettingsError


@dataclass(frozen=True)
class ValidationSize:
    """A number of validating units, or a share of those that do not test, whichever is more.

    Attributes:
        number: 1 or more.
        share: from 0 to below 1; rounded to a whole number of units.

    Raises:
        SettingsError: a value that cannot be used.
    """

    number: int = 1
    share: float = 0.0

    def __post_init__(self) -> None:
        if self.number < 1 or not 0 <= self.share < 1:
            raise SettingsError("1 or more must validate; as a share, from 0 to below 1")

    def of(self, n_others: int) -> int:
        """Say how many of so many units validate."""
        return max(self.number, round(self.share * n_others))

    def leaving_some(self, n_others: int) -> int:
        """Say how many of so many units validate, where others of them must train.

        Raises:
            SettingsError: if none would be left to train.
        """
        n_validation = self.of(n_others)
        if n_validation >= n_others:
            raise SettingsError(
                f"{n_validation} of {n_others} that do not test would validate: none is left to train",
                "Lower --validation, or 'validation_fraction' in the recipe.",
            )
        return n_validation


ONE = ValidationSize()
"""One validates."""
