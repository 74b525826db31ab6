"""Bounds on the settings of a network, so that no ``config.json`` can exhaust memory or time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pcqtool.model.untrusted_files import short_repr


@dataclass(frozen=True)
class Rule:
    """The permitted values of a setting.

    Attributes:
        text: description of the values, to follow "must be".
        accepts: whether a value is permitted.
    """

    text: str
    accepts: Callable[[object], bool]


FLAG = Rule("true or false", lambda value: type(value) is bool)


def integer(minimum: int, maximum: int) -> Rule:
    """Permit whole numbers within a range."""
    return Rule(
        f"a whole number from {minimum} to {maximum}",
        lambda value: isinstance(value, int) and _within(value, minimum, maximum),
    )


def number(minimum: float, maximum: float) -> Rule:
    """Permit numbers within a range."""
    return Rule(f"a number from {minimum} to {maximum}", lambda value: _within(value, minimum, maximum))


def one_of(*names: str) -> Rule:
    """Permit some names."""
    return Rule(f"one of {', '.join(names)}", lambda value: isinstance(value, str) and value in names)


def list_of(rule: Rule, maximum: int) -> Rule:
    """Permit lists of up to ``maximum`` values that each follow a rule."""
    return Rule(
        f"a list of up to {maximum}, each {rule.text}",
        lambda value: isinstance(value, list | tuple) and len(value) <= maximum and all(map(rule.accepts, value)),
    )


def optional(rule: Rule) -> Rule:
    """Permit ``null`` besides the values of a rule."""
    return Rule(f"null or {rule.text}", lambda value: value is None or rule.accepts(value))


NETWORK: dict[str, Rule] = {
    "mlcnn_channels": list_of(integer(4, 4096), 4),
    "mlcnn_strides": list_of(integer(1, 64), 16),
    "spectrogram_pool": list_of(integer(1, 1024), 2),
    "classifier_hidden": list_of(integer(1, 65536), 16),
    "dropout": number(0, 1),
    "mean_db": number(-1000, 1000),
    "sd_db": number(1e-6, 1000),
    "csq_gate": FLAG,
    "query": one_of("pooled", "projected"),
    "frame_pool": integer(1, 1000),
    "profile_s": number(0, 1e6),
}
SPECTROGRAM: dict[str, Rule] = {
    "window": integer(1, 8192),
    "hop": integer(40, 8192),
    "n_fft": integer(1, 8192),
    "n_bins": integer(1, 4097),
    "floor_db": number(-300, 0),
}
ENCODER: dict[str, Rule] = {"layers": list_of(integer(-1000, 1000), 100)}
MINI: dict[str, Rule] = {
    "dim": integer(1, 4096),
    "n_blocks": integer(1, 64),
    "kernel": integer(1, 255),
    "expansion": integer(1, 32),
    "n_mels": integer(1, 512),
}


def check_rules(settings: Mapping[str, object], rules: Mapping[str, Rule]) -> None:
    """Check settings against rules; settings without a rule are ignored.

    Raises:
        ValueError: if a setting has a value that is not permitted.
    """
    for name, value in settings.items():
        if name in rules and not rules[name].accepts(value):
            raise ValueError(f"{name} must be {rules[name].text}, not {short_repr(value)}")


def _within(value: object, minimum: float, maximum: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and minimum <= value <= maximum
