"""The settings of a network: from JSON or TOML to its configuration, checked, and back."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass
from difflib import get_close_matches
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from pcqtool.audio.spectrogram import SpectrogramSettings
from pcqtool.errors import ModelError, SettingsError
from pcqtool.model.config import ModelConfig
from pcqtool.model.encoders import EncoderConfig
from pcqtool.model.network import NetworkConfig
from pcqtool.model.pcq import PCQConfig
from pcqtool.model.registry import DEFAULT_KIND, kind_of, network_class
from pcqtool.model.setting_bounds import ENCODER, NETWORK, SPECTROGRAM, Rule, check_rules
from pcqtool.model.untrusted_files import short_repr

_BOUNDS: dict[type, dict[str, Rule]] = {PCQConfig: NETWORK, SpectrogramSettings: SPECTROGRAM, EncoderConfig: ENCODER}
_PLAIN = {bool: "true or false", int: "a whole number", float: "a number", str: "text", type(None): "nothing"}
T = TypeVar("T")


def network_config_from_json(config: ModelConfig) -> NetworkConfig:
    """Parse the network's settings from their JSON form.

    Raises:
        ModelError: if the kind of network is unknown or its plugin broken, or if a setting is unknown or has a wrong
            value.
    """
    settings = {name: value for name, value in config.network.items() if name != "kind"}
    network = network_class(kind_of(config.network))
    try:
        return parse_settings(network.config_class, settings, labels=config.labels)
    except (SettingsError, TypeError, ValueError) as error:
        raise ModelError(f"the network of model {config.name} is not valid: {error}") from error


def network_config_to_json(config: NetworkConfig, kind: str = DEFAULT_KIND) -> dict[str, Any]:
    """Return the JSON form of a network's settings, the inverse of ``network_config_from_json``."""
    entries = asdict(config)
    del entries["labels"]
    return entries if kind == DEFAULT_KIND else {"kind": kind, **entries}


def hint_text(hint: Any) -> str | None:
    """Return what values a type permits, in words; None for a type that a setting cannot have."""
    if hint in _PLAIN:
        return _PLAIN[hint]
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        return f"one of {', '.join(map(str, arguments))}"
    parts = [hint_text(each) for each in arguments if each is not ...]
    if None in parts or (arguments and any(map(is_dataclass, arguments))):  # parse_settings builds no tables in lists
        return None
    if origin in (Union, types.UnionType):
        return " or ".join(map(str, parts))
    if origin is tuple:
        return f"a list, each {parts[0]}" if arguments[1:] == (...,) else f"a list of {len(parts)} values"
    return "a table" if is_dataclass(hint) or origin is Mapping or hint is Any else None


def parse_settings(kind: type[T], table: object, **known: Any) -> T:
    """Build a configuration from a table of settings, whose keys and types are checked.

    Args:
        kind: the class of the configuration, a dataclass.
        table: the settings.
        known: values of further fields, which the table may not have.

    Raises:
        TypeError, ValueError: if a setting is unknown or has a wrong type.
    """
    if not isinstance(table, Mapping):
        raise TypeError(f"{short_repr(table)} is not a table of settings")
    check_rules(table, _BOUNDS.get(kind, {}))
    names = {each.name for each in fields(kind)} - known.keys()  # type: ignore[arg-type]
    if unknown := sorted(table.keys() - names):
        close = get_close_matches(str(unknown[0]), names, 1)
        raise ValueError(
            f"unknown setting {short_repr(unknown[0])}" + (f"; did you mean {close[0]!r}?" if close else "")
        )
    hints = get_type_hints(kind)
    return kind(**known, **{name: _value(name, value, hints[name]) for name, value in table.items()})


def _value(name: str, value: Any, hint: Any) -> Any:
    """Return a setting's value in the type of its field; lists become tuples, and tables configurations."""
    if is_dataclass(hint):
        return value if isinstance(value, hint) else parse_settings(hint, value)  # type: ignore[arg-type]
    if not _fits(value, hint):
        raise ValueError(f"{name} must be {hint_text(hint)}, not {short_repr(value)}")
    return _as_tuples(value)


def _fits(value: Any, hint: Any) -> bool:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return any(_fits(value, each) for each in arguments)
    if origin is Literal:
        return value in arguments
    if origin is tuple:
        if not isinstance(value, list | tuple):
            return False
        wanted = arguments[:1] * len(value) if arguments[1:] == (...,) else arguments
        return len(value) == len(wanted) and all(map(_fits, value, wanted))
    if hint is float:
        return type(value) in (int, float)
    if origin is Mapping:
        return isinstance(value, Mapping)
    return type(value) is hint if hint in _PLAIN else True


def _as_tuples(value: Any) -> Any:
    return tuple(map(_as_tuples, value)) if isinstance(value, list) else value
