"""What others have published, from ``published.toml``: each figure with its protocol, its leaks and its source."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from importlib import resources

SHARED_SPEAKERS, CHOSEN_ON_TEST, ADAPTED, NOT_SAID = "S", "T", "A", "?"


@dataclass(frozen=True)
class Published:
    """A figure of others.

    Attributes:
        corpus: its name here.
        system: name of the model.
        wa: weighted accuracy in per cent.
        protocol: how training and test were parted; this tool's word where it is the same.
        leaks: ``S``, speakers are shared; ``T``, something was chosen on the test part; ``A``,
            models were adapted to the test speakers without labels; ``?``, it is not said.
        source: where it was published.
        ua: unweighted accuracy in per cent; None where it was not given.
    """

    corpus: str
    system: str
    wa: float
    protocol: str
    leaks: tuple[str, ...]
    source: str
    ua: float | None = None


def published() -> list[Published]:
    """Read the figures."""
    text = resources.files(__package__).joinpath("published.toml").read_text(encoding="utf-8")
    return [Published(**entry | {"leaks": tuple(entry["leaks"])}) for entry in tomllib.loads(text)["figure"]]
