"""Profiles kept with an output, so that later runs standardise by the same one.

A table keeps its profile beside it, in ``results.parquet.profile``. Until the run has finished, and in a directory, it
is in ``profiles/`` beside the parts, numbered: a restart measures a new one while the old rows still count. The tables'
provenance names the profile that counts by its digest.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

from pcqtool.batch.layout import OutputLayout
from pcqtool.errors import ProfileError
from pcqtool.files.atomic import sweep
from pcqtool.files.lock import locked
from pcqtool.model.profile_file import BatchProfile, read_profile, write_profile
from pcqtool.tables.paths import profile_path

SUFFIX = ".profile"
LOCK_S = 60.0  # far longer than any run needs to write a profile


class KeptProfiles:
    """The profiles of an output.

    Args:
        layout: the output's paths.
    """

    def __init__(self, layout: OutputLayout) -> None:
        self.folder = layout.folder / "profiles"
        self.final = profile_path(layout.out) if layout.is_table else None
        self._has_shards = layout.shard.count > 1
        self._out = layout.out

    @property
    def newest(self) -> BatchProfile | None:
        """The profile that was kept last in the folder.

        Raises:
            ProfileError: if it is damaged.
        """
        numbered = self._numbered()
        return read_profile(numbered[-1]) if numbered else None

    def find(self, digest: str) -> BatchProfile:
        """Return the profile with a digest.

        Raises:
            ProfileError: if it is missing or was changed.
        """
        paths = self._existing()
        for path in paths:
            with suppress(ProfileError):
                if (profile := read_profile(path)).digest == digest:
                    return profile
        expected = self.final or self.folder
        what = f"{expected}: is not the profile {digest} of the rows" if paths else f"{expected}: is missing"
        raise ProfileError(
            f"{what} in {self._out}",
            "Put it back, or name a copy with --profile; or add --restart.",
        )

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Keep other shards from keeping a profile."""
        path = self.folder / f"{SUFFIX}.lock"
        busy = f"{self._out}: another shard holds {path}"
        with locked(path, busy, "Run it again.", wait_s=LOCK_S) if self._has_shards else nullcontext():
            yield

    def keep(self, profile: BatchProfile) -> None:
        """Keep a profile as the newest, unless it is there already.

        Raises:
            FileError: if the file system refuses.
        """
        if not self._has_shards:
            sweep(self.folder)
        numbered = self._numbered()
        if profile.digest not in map(_digest, [*numbered[-1:], *self._finals()]):
            number = int(numbered[-1].stem) + 1 if numbered else 0
            write_profile(self.folder / f"{number:05d}{SUFFIX}", profile)

    def finish(self, profile: BatchProfile) -> None:
        """Keep one profile for good and remove those that a restart has replaced; shards leave each other's alone.

        Raises:
            FileError: if the file system refuses.
        """
        if self.final is not None:
            if profile.digest not in map(_digest, self._finals()):
                sweep(self.final.parent, self.final.name)
                write_profile(self.final, profile)
            return
        self.keep(profile)
        if not self._has_shards:
            for path in self._numbered()[:-1]:
                path.unlink()

    def _numbered(self) -> list[Path]:
        paths = (path for path in self.folder.glob(f"*{SUFFIX}") if path.stem.isdecimal())
        return sorted(paths, key=lambda path: int(path.stem))

    def _finals(self) -> list[Path]:
        return [self.final] if self.final is not None and self.final.exists() else []

    def _existing(self) -> list[Path]:
        return [*reversed(self._numbered()), *self._finals()]


def _digest(path: Path) -> str | None:
    """Return the digest of a profile file; None if it is damaged."""
    try:
        return read_profile(path).digest
    except ProfileError:
        return None
