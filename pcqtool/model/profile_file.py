"""Profile files: the profile of a batch and of its groups, as safetensors; read and written without torch."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from pcqtool.errors import ProfileError, SettingsError
from pcqtool.files.atomic import write_whole
from pcqtool.model.profile import Profile
from pcqtool.model.untrusted_files import open_regular, printable, short_repr
from pcqtool.version import __version__

MAX_BYTES = 256 * 2**20
"""A profile has a few kilobytes, and as many for each group."""

OFF = "off"
"""In the provenance of tables, instead of a digest: inputs were standardised by the training data's statistics."""

_METADATA_KEY = "pcqtool"
_STATISTICS = ("mean", "between", "square")
_AGAIN = "Measure it again with `pcqtool profile`."


@dataclass(frozen=True)
class BatchProfile:
    """The profile of a batch of recordings, and those of its groups, for one model.

    Attributes:
        whole: the profile of the batch; without speech, its ``speech_s`` is 0 and it has no statistics.
        model: name of the model whose features were measured.
        model_sha256: hash of that model.
        n_files: number of recordings that were measured.
        by: regular expression whose first group names the group of a recording; empty without groups.
        groups: the profile of each group, by its name.
        tool_version: version of pcqtool that measured it.

    Raises:
        SettingsError: if ``by`` is not a regular expression with a group.
    """

    whole: Profile
    model: str
    model_sha256: str
    n_files: int
    by: str = ""
    groups: Mapping[str, Profile] | None = None
    tool_version: str = __version__

    def __post_init__(self) -> None:
        check_grouping(self.by)
        object.__setattr__(self, "groups", dict(sorted((self.groups or {}).items())))

    @property
    def digest(self) -> str:
        """Hash of the content, 16 hexadecimal digits; it names the profile in the provenance of tables."""
        digest = hashlib.sha256(self._about().encode())
        for array in self._arrays().values():
            digest.update(array.astype("<f8").tobytes())
        return digest.hexdigest()[:16]

    @property
    def about(self) -> str:
        """A line for the user: how much was measured."""
        groups = f", {len(self.groups or {})} groups by {self.by}" if self.by else ""
        return f"{self.n_files} recordings, {self.whole.speech_s:.0f} s of speech{groups}"

    def group_of(self, file: str) -> int:
        """Return the number of a recording's profile in ``shrunk``, given its name in the tables; 0 for the batch's."""
        return self._numbers.get(group_name(self.by, file), 0)

    def shrunk(self, constant_s: float) -> list[Profile]:
        """Return the profile of the batch, then those of the groups, shrunk towards it."""
        groups = (self.groups or {}).values()
        return [self.whole, *(each.shrunk_towards(self.whole, constant_s) for each in groups)]

    def check_model(self, model: str, sha256: str, path: Path | str = "the profile") -> None:
        """Refuse to use the profile with another model.

        Raises:
            ProfileError: if it was measured with another model's features.
        """
        if self.model_sha256 != sha256:
            other = f"another model called {model}" if self.model == model else f"model {self.model}, not {model}"
            raise ProfileError(
                f"{path} was measured for {other}", f"Measure it with --model {model}: `pcqtool profile`."
            )

    def to_bytes(self) -> bytes:
        """Return the content of its file, the same bytes for the same profile."""
        from safetensors.numpy import save

        return save(self._arrays(), {_METADATA_KEY: self._about()})

    @property
    def _numbers(self) -> dict[str | None, int]:
        return {name: number for number, name in enumerate(self.groups or {}, 1)}

    def _about(self) -> str:
        """Return everything except the statistics, as one text: safetensors does not sort several."""
        entries = {
            "model": self.model,
            "model_sha256": self.model_sha256,
            "tool_version": self.tool_version,
            "files": self.n_files,
            "speech_s": [self.whole.speech_s, *(each.speech_s for each in (self.groups or {}).values())],
            "by": self.by,
            "groups": list(self.groups or {}),
        }
        return json.dumps(entries, sort_keys=True)

    def _arrays(self) -> dict[str, NDArray[np.float64]]:
        """Return the statistics, ``(1 + groups, C)`` each, in full: all runs standardise by the same numbers."""
        profiles = [self.whole, *(self.groups or {}).values()]
        return {name: np.stack([getattr(each, name) for each in profiles]) for name in _STATISTICS}

    @classmethod
    def _parse(cls, arrays: Mapping[str, NDArray[Any]], entries: Mapping[str, Any]) -> Self:
        """Build the profile from the content of a file.

        Raises:
            ValueError, TypeError, KeyError, SettingsError: if the content is not that of a profile.
        """
        names, speech_s, n_files = entries["groups"], entries["speech_s"], entries["files"]
        texts = [entries[key] for key in ("model", "model_sha256", "by", "tool_version")]
        if not all(isinstance(text, str) for text in (*texts, *names)) or len(set(names)) != len(names):
            raise ValueError("its description is not valid")
        if type(n_files) is not int or n_files < 0:
            raise ValueError(f"{short_repr(n_files)} recordings")
        if len(speech_s) != 1 + len(names) or not all(math.isfinite(each) and each >= 0 for each in speech_s):
            raise ValueError("its durations are not valid")
        shapes = {array.shape for array in arrays.values()}
        if arrays.keys() != set(_STATISTICS) or len(shapes) != 1 or {array.ndim for array in arrays.values()} != {2}:
            raise ValueError("its statistics are not complete")
        for name, array in arrays.items():
            if array.dtype != np.float64 or len(array) != len(speech_s) or not np.isfinite(array).all():
                raise ValueError(f"its {name} is not valid")
        rows = zip(speech_s, *(arrays[name] for name in _STATISTICS), strict=True)
        whole, *groups = (Profile(float(seconds), *statistics) for seconds, *statistics in rows)
        model, model_sha256, by, tool_version = texts
        return cls(whole, model, model_sha256, n_files, by, dict(zip(names, groups, strict=True)), tool_version)


def write_profile(path: Path, profile: BatchProfile) -> None:
    """Write a profile to a file, which appears whole or not at all.

    Raises:
        FileError: if the file system refuses.
    """
    write_whole(path, profile.to_bytes())


def read_profile(path: Path) -> BatchProfile:
    """Read a profile file, from any source.

    Raises:
        ProfileError: if it is missing, damaged, or not a profile.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        with open_regular(path) as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as fault:
        raise ProfileError(f"cannot read {path}: {fault.strerror}", "Make a profile with `pcqtool profile`.") from fault
    try:
        if len(content) > MAX_BYTES:
            raise ValueError(f"it has more than {MAX_BYTES} bytes")
        arrays = load(content)
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        return BatchProfile._parse(arrays, json.loads(header["__metadata__"][_METADATA_KEY]))
    except (SafetensorError, ValueError, KeyError, TypeError, OverflowError, RecursionError, SettingsError) as fault:
        reason = printable(str(fault).partition("\n")[0])
        raise ProfileError(f"{path} is damaged, or not a profile of pcqtool: {reason}", _AGAIN) from fault


def check_grouping(by: str) -> None:
    """Check a rule that names the group of a recording.

    Raises:
        SettingsError: if it is neither empty nor a regular expression with a group.
    """
    try:
        if by and not re.compile(by).groups:
            raise SettingsError(
                f"the expression {by!r} has no group in parentheses", "Mark the part of the name: 'by=([^/]+)/'."
            )
    except re.error as fault:
        raise SettingsError(f"{by!r} is not a regular expression: {fault}", "For example: 'by=([^/]+)/'.") from fault


def group_name(by: str, file: str) -> str | None:
    """Return the name of a recording's group; None if it has none.

    Examples:
        >>> group_name("line-([0-9]+)", "2024/line-17/a.wav")
        '17'
    """
    match = re.search(by, file) if by else None
    return match[1] if match else None


NO_STATISTICS = np.zeros(0)
NOTHING = Profile(0.0, NO_STATISTICS, NO_STATISTICS, NO_STATISTICS)
"""The profile of a batch without speech."""
