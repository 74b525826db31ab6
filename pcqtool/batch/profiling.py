"""Profile of a run: its output's own, one that was measured before, or one that the run measures first."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Self

from pcqtool.arguments import StrPath, as_path
from pcqtool.batch.output import RunOutput
from pcqtool.errors import SettingsError
from pcqtool.model.config import ModelConfig
from pcqtool.model.profile_file import OFF, BatchProfile, check_grouping, read_profile

if TYPE_CHECKING:
    from pcqtool.batch.names import Source

_log = logging.getLogger(__name__)

AUTO, BY = "auto", "by="
BY_SPEAKER = f"{BY}speaker"

Measure = Callable[..., BatchProfile]
"""A function that measures the profile of recordings, given a loaded ``ProfiledTask``."""


@dataclass(frozen=True)
class Profiling:
    """The choice of a run's profile.

    Attributes:
        model: name of the model.
        model_sha256: hash of the model.
        by: rule that names the group of a recording, if the run measures groups.
        given: a profile that was measured before.
        is_off: whether the training data's own statistics are used.
        origin: where the given profile comes from.
    """

    model: str
    model_sha256: str
    by: str = ""
    given: BatchProfile | None = None
    is_off: bool = False
    origin: str = ""

    @classmethod
    def choose(cls, choice: StrPath | BatchProfile, config: ModelConfig, model_sha256: str) -> Self | None:
        """Parse the option ``profile``: ``auto``, ``off``, ``by=REGEX``, or a profile or its file.

        Returns:
            The choice; None if the model uses no profiles.

        Raises:
            SettingsError: if the choice is not valid, or the model uses no profiles.
            ProfileError: if the profile cannot be read, or was measured for another model.
        """
        if choice in (AUTO, OFF):
            return cls(config.name, model_sha256, is_off=choice == OFF) if config.has_profile else None
        check_has_profile(config)
        if isinstance(choice, str) and choice.startswith(BY):
            by = choice.removeprefix(BY)
            check_grouping(by)
            if not by:
                raise SettingsError("--profile by= lacks an expression", "For example: --profile 'by=([^/]+)/'.")
            return cls(config.name, model_sha256, by)
        given, origin = open_profile(choice, config, model_sha256)
        return cls(config.name, model_sha256, given=given, origin=origin)

    def find(self, output: RunOutput, restart: bool) -> None:
        """Choose the profile as far as possible without measuring, and record it in the output's provenance.

        Raises:
            ProfileError: if the output's own profile is missing or was changed.
            TableError: if a table was not written by pcqtool.
        """
        profile = None if self.is_off else self.given or self._own(output, restart)
        output.standardise_by(profile or self._choice)

    def measure_of(self, sources: Sequence[Source]) -> Measure:
        """Return the function that measures the profile of recordings."""
        from pcqtool.batch.sample import measure

        return partial(measure, sources=sources, model=self.model, model_sha256=self.model_sha256, by=self.by)

    def settle(self, output: RunOutput, restart: bool, measure: Callable[[], BatchProfile]) -> None:
        """Measure the profile if ``find`` has found none, and keep it with the output, before the first part.

        Of several shards, the first to keep a profile decides.

        Raises:
            FileError: if the file system refuses.
            PcqtoolError: as ``measure``.
        """
        if self.is_off:
            return
        profile = output.profile or measure()
        if output.profile is None:
            _log.info("profile: %s", profile.about)
        with output.kept_profiles.shared():
            if output.profile is None:
                profile = self._own(output, restart) or profile
            output.kept_profiles.keep(profile)
        output.standardise_by(profile)

    def describe(self, output: RunOutput) -> str:
        """Return a line on where the profile comes from, after ``find``."""
        if self.is_off:
            return "off: the training data's own statistics"
        if output.profile is None:
            from pcqtool.batch.sample import BATCH_FILES

            groups = f", and for each group by {self.by}" if self.by else ""
            return f"to be measured on up to {BATCH_FILES} recordings{groups}"
        return f"{self.origin or 'kept with the output'}: {output.profile.about}"

    @property
    def _choice(self) -> str:
        return OFF if self.is_off else f"{BY}{self.by}" if self.by else AUTO

    def _own(self, output: RunOutput, restart: bool) -> BatchProfile | None:
        """Return the profile that the output has for this run; None if there is none, or it does not fit."""
        made_by = output.made_by
        digest = made_by.settings.get("profile") if made_by else None
        profile: BatchProfile | None = None
        if restart or made_by is None:
            newest = output.kept_profiles.newest if output.shard.count > 1 else None
            if newest is not None and (newest.digest != digest or output.restarted):  # from another shard
                profile = newest
        elif digest not in (None, OFF) and made_by.model_sha256 == self.model_sha256:
            profile = output.kept_profiles.find(str(digest))
        fits = profile is not None and profile.model_sha256 == self.model_sha256 and self.by in ("", profile.by)
        return profile if fits else None  # rows that do not fit are reported by the output


def open_profile(choice: StrPath | BatchProfile, config: ModelConfig, model_sha256: str) -> tuple[BatchProfile, str]:
    """Return a profile for a model, given the profile or its file; and the file's name.

    Raises:
        ProfileError: if it cannot be read, or was measured for another model.
        SettingsError: if the model uses no profiles.
    """
    check_has_profile(config)
    if isinstance(choice, BatchProfile):
        profile, origin = choice, "given"
    else:
        path: Path = as_path(choice)
        profile, origin = read_profile(path), str(path)
    profile.check_model(config.name, model_sha256, origin)
    return profile, origin


def check_has_profile(config: ModelConfig) -> None:
    """Refuse to measure or use a profile for a model that uses none.

    Raises:
        SettingsError: if its network does not standardise by a profile.
    """
    if not config.has_profile:
        raise SettingsError(f"model {config.name} uses no profile", "Leave the profile out, or name another --model.")
