"""The size of the validation part: how many speakers (texts, tenths) outside the test part validate."""

from __future__ import annotations

from dataclasses import dataclass

from pcqtool.errors import SettingsError


@dataclass(frozen=True)
class ValidationSize:
    """A number of validating units, or a fraction of the units outside the test part, whichever is more.

    Attributes:
        n_units: 1 or more.
        fraction: from 0 to below 1; rounded to a whole number of units.

    Raises:
        SettingsError: if a value is not valid.
    """

    n_units: int = 1
    fraction: float = 0.0

    def __post_init__(self) -> None:
        if self.n_units < 1 or not 0 <= self.fraction < 1:
            raise SettingsError("the validation part needs 1 or more units; as a fraction, from 0 to below 1")

    def count(self, n_others: int) -> int:
        """Return the number of validating units, given the number of units outside the test part."""
        return max(self.n_units, round(self.fraction * n_others))

    def checked_count(self, n_others: int) -> int:
        """Return ``count``, checked so that other units are left to train.

        Raises:
            SettingsError: if no unit would be left to train.
        """
        n_validation = self.count(n_others)
        if n_validation >= n_others:
            raise SettingsError(
                f"{n_validation} of the {n_others} outside the test part would validate: none is left to train",
                "Lower --validation, or 'validation_fraction' in the recipe.",
            )
        return n_validation


ONE_UNIT = ValidationSize()
