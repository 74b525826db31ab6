"""Requirements of classes of networks and encoders; ``pcqtool.networks.testing`` checks what the classes do."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import MISSING, fields, is_dataclass
from typing import get_type_hints

from pcqtool.model.encoders import Encoder
from pcqtool.model.network import Network, NetworkConfig
from pcqtool.model.network_settings import hint_text
from pcqtool.model.pcq import PCQConfig

_TAKEN = ("kind", "profile_s")


def network_problem(found: object, name: str) -> str | None:
    """Return why an object registered as ``name`` is not a usable class of networks; None if it is one."""
    return next(network_problems(found), None)


def encoder_problem(found: object, name: str) -> str | None:
    """Return why an object registered as ``name`` is not a usable class of encoders; None if it is one."""
    return next(encoder_problems(found), None)


def encoder_problems(found: object) -> Iterator[str]:
    """Yield every reason why an object is not a usable class of encoders."""
    yield from _class_problems(found, Encoder, "pcqtool.networks.Encoder")


def network_problems(found: object) -> Iterator[str]:
    """Yield every reason why an object is not a usable class of networks."""
    yield from _class_problems(found, Network, "pcqtool.networks.Network")
    config = getattr(found, "config_class", None)
    named = getattr(found, "__name__", "")
    if not isinstance(config, type) or not issubclass(config, NetworkConfig):
        yield f"{named}.config_class must be a dataclass that derives from pcqtool.networks.NetworkConfig"
        return
    yield from _config_problems(config)
    names = {each.name for each in fields(config)}
    for setting in getattr(found, "front_end_settings", None) or ():
        if setting not in names:
            yield f"{named}.front_end_settings names {setting!r}, which is not a setting of {config.__name__}"


def _class_problems(found: object, base: type, where: str) -> Iterator[str]:
    if not isinstance(found, type):
        yield f"it is a {type(found).__name__}, not a class"
    elif not issubclass(found, base):
        yield f"{found.__name__} does not derive from {where}"
    elif inspect.isabstract(found):
        yield f"{found.__name__} lacks {', '.join(sorted(getattr(found, '__abstractmethods__', ())))}"


def _config_problems(config: type) -> Iterator[str]:
    """Yield what is wrong with the class of a network's settings, or of a table in them."""
    if "__dataclass_fields__" not in vars(config):
        yield f"{config.__name__} is not a dataclass: write @dataclass(frozen=True) above it"
        return
    if not config.__dataclass_params__.frozen:  # type: ignore[attr-defined]
        yield f"{config.__name__} is not frozen: write @dataclass(frozen=True) above it"
    hints = get_type_hints(config)
    for each in fields(config):
        if each.name == "labels":
            continue
        if each.name in _TAKEN and issubclass(config, NetworkConfig) and config is not PCQConfig:
            yield f"{config.__name__}.{each.name}: the name has another meaning, take another one"
        if each.default is MISSING and each.default_factory is MISSING:
            yield f"{config.__name__}.{each.name} has no default"
        if is_dataclass(hints[each.name]):
            yield from _config_problems(hints[each.name])
        elif hint_text(hints[each.name]) is None:
            yield f"{config.__name__}.{each.name} has a type that a recipe cannot set: {hints[each.name]}"
