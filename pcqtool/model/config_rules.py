"""What the settings of a network may be: whatever a ``config.json`` says, memory and time stay bounded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pcqtool.model.safe_files import brief


@dataclass(frozen=True)
class Rule:
    """What a setting may be.

    Attributes:
        says: the values that it may have, after "must be".
        holds: whether a value is one of them.
    """

    says: str
    holds: Callable[[object], bool]


FLAG = Rule("true or false", lambda value: type(value) is bool)


def whole(least: int, most: int) -> Rule:
    """Rule whole numbers."""
    return Rule(
        f"a whole number from {least} to {most}", lambda value: isinstance(value, int) and _within(value, least, most)
    )


def number(least: float, most: float) -> Rule:
    """Rule numbers."""
    return Rule(f"a number from {least} to {most}", lambda value: _within(value, least, most))


def choice(*names: str) -> Rule:
    """Rule names out of a list."""
    return Rule(f"one of {', '.join(names)}", lambda value: isinstance(value, str) and value in names)


def several(rule: Rule, most: int) -> Rule:
    """Rule lists of values that each follow a rule."""
    return Rule(
        f"a list of up to {most}, each {rule.says}",
        lambda value: isinstance(value, list | tuple) and len(value) <= most and all(map(rule.holds, value)),
    )


def optional(rule: Rule) -> Rule:
    """Rule values that may be left out by ``null``."""
    return Rule(f"null or {rule.says}", lambda value: value is None or rule.holds(value))


NETWORK: dict[str, Rule] = {
    "mlcnn_channels": several(whole(4, 4096), 4),
    "mlcnn_strides": several(whole(1, 64), 16),
    "spectrogram_pool": several(whole(1, 1024), 2),
    "classifier_hidden": several(whole(1, 65536), 16),
    "dropout": number(0, 1),
    "mean_db": number(-1000, 1000),
    "sd_db": number(1e-6, 1000),
}
SPECTROGRAM: dict[str, Rule] = {
    "window": whole(1, 8192),
    "hop": whole(40, 8192),
    "n_fft": whole(1, 8192),
    "n_bins": whole(1, 4097),
    "floor_db": number(-300, 0),
}
ENCODER: dict[str, Rule] = {"layers": several(whole(-1000, 1000), 100)}
MINI: dict[str, Rule] = {
    "dim": whole(1, 4096),
    "n_blocks": whole(1, 64),
    "kernel": whole(1, 255),
    "expansion": whole(1, 32),
    "n_mels": whole(1, 512),
}


def check_network(network: Mapping[str, object]) -> None:
    """Check the sizes of a network and its parts; what else they must be they check themselves.

    Raises:
        ValueError: if one is out of all bounds.
    """
    check(network, NETWORK)
    for name, rules in (("spectrogram", SPECTROGRAM), ("encoder", ENCODER)):
        if isinstance(part := network.get(name), Mapping):
            check(part, rules)


def check(settings: Mapping[str, object], rules: Mapping[str, Rule]) -> None:
    """Check the settings that there are rules for.

    Raises:
        ValueError: if one has a value that it may not have.
    """
    for name, value in settings.items():
        if name in rules and not rules[name].holds(value):
            raise ValueError(f"{name} must be {rules[name].says}, not {brief(value)}")


def _within(value: object, least: float, most: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most
