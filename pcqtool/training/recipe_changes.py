"""Changes of a recipe's settings, as ``pcqtool sweep --set`` takes them: ``network.dropout=0.3,0.5``."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from difflib import get_close_matches
from functools import cache
from typing import Any, get_type_hints

from pcqtool.errors import SettingsError
from pcqtool.model.registry import DEFAULT_KIND, network_class
from pcqtool.training.recipe import TABLES, Recipe

_BARE = re.compile(r"[^\s\"'=\[\]{}#]+")  # a string that needs no quotes
_BRACKETS = {"[": 1, "{": 1, "]": -1, "}": -1}
_WITHOUT_SETTING = ("name", "network.labels", "network.mean_db", "network.sd_db")  # measured, or the model's


@cache
def known_settings(kind: str = DEFAULT_KIND) -> dict[str, object]:
    """Return all settings of a recipe for a kind of network, and their defaults, by dotted key as in a recipe's file.

    Tables are among them.

    Raises:
        ModelError: if no network is of this kind, or its plugin is broken.
    """
    tables: dict[str, type] = {"": Recipe, **TABLES, "network": network_class(kind).config_class}
    tables |= {
        f"network.{name}": hint
        for name, hint in get_type_hints(tables["network"]).items()
        if isinstance(hint, type) and is_dataclass(hint)
    }
    found = {
        f"{table}.{each.name}".lstrip("."): _default(each) for table, kind in tables.items() for each in fields(kind)
    }
    return {key: default for key, default in found.items() if key not in _WITHOUT_SETTING}


def find_key(key: str, kinds: Sequence[str] = (DEFAULT_KIND,)) -> str:
    """Return the dotted key of a setting, which may be shortened to its last part if no other setting has it.

    Args:
        key: the key.
        kinds: the kinds of networks of the recipes.

    Raises:
        SettingsError: if there is no such setting, or several.

    Examples:
        >>> find_key("dropout"), find_key("lr")
        ('network.dropout', 'lr')
    """
    known = _known(kinds)
    if key in known or key.startswith("network.encoder.architecture."):
        return key
    same = [each for each in known if each.rpartition(".")[2] == key]
    if len(same) == 1:
        return same[0]
    if same:
        raise SettingsError(f"several settings of a recipe are called {key!r}", f"Name one: {', '.join(same)}.")
    by_name = {each.rpartition(".")[2]: each for each in known} | {each: each for each in known}
    close = [by_name[each] for each in get_close_matches(key, by_name, 3)]
    close += [by_name[each] for each in get_close_matches(key.rpartition(".")[2], by_name, 3)]
    hint = f"Did you mean {' or '.join(dict.fromkeys(close))}? " if close else ""
    raise SettingsError(f"a recipe has no setting {key!r}", f"{hint}Known: {', '.join(known)}.")


def short_key(key: str, kinds: Sequence[str] = (DEFAULT_KIND,)) -> str:
    """Return the shortest key that ``find_key`` finds, for names of runs."""
    last = key.rpartition(".")[2]
    return last if [each for each in _known(kinds) if each.rpartition(".")[2] == last] == [key] else key


def _known(kinds: Sequence[str]) -> dict[str, object]:
    return {key: default for kind in kinds for key, default in known_settings(kind).items()}


def parse_changes(texts: Sequence[str], kinds: Sequence[str] = (DEFAULT_KIND,)) -> dict[str, list[Any]]:
    """Parse entries such as ``lr=1e-3,3e-4`` into the values of each setting, by its dotted key.

    A value is TOML's; a string without spaces needs no quotes. ``kinds`` are those of the recipes' networks.

    Raises:
        SettingsError: if an entry has another form, or a setting is unknown or named twice.

    Examples:
        >>> parse_changes(["dropout=0.3,0.5", "aggregation=mean,blend"])
        {'network.dropout': [0.3, 0.5], 'aggregation': ['mean', 'blend']}
    """
    found: dict[str, list[Any]] = {}
    for text in texts:
        key, equals, values = text.partition("=")
        if not (key.strip() and equals and values.strip()):
            raise SettingsError(f"--set {text}: not KEY=VALUE,VALUE", "For example: --set lr=1e-3,3e-4")
        full = find_key(key.strip(), kinds)
        if full in found:
            raise SettingsError(f"--set {text}: {full} is set twice", "Separate its values by commas.")
        found[full] = [_parse_value(each.strip(), text) for each in _split(values)]
    return found


def check_values(key: str, values: Sequence[Any], kinds: Sequence[str] = (DEFAULT_KIND,)) -> list[Any]:
    """Return a setting's values in the type of its default, if that is a fraction.

    Raises:
        SettingsError: if there is none, or one is given twice.
    """
    is_fraction = isinstance(_known(kinds).get(key), float)
    found = [float(each) if is_fraction and type(each) is int else each for each in values]
    if not found:
        raise SettingsError(f"{key} has no values", "For example: --set lr=1e-3,3e-4")
    for index, value in enumerate(found):
        if value in found[:index]:
            raise SettingsError(f"{key}: the value {value!r} is given twice", "Name each value once.")
    return found


def _default(setting: Field[Any]) -> object:
    if setting.default_factory is not MISSING:
        return setting.default_factory()
    return setting.default


def _split(text: str) -> Iterator[str]:
    """Split text at the commas that are not inside brackets or quotes."""
    start = depth = 0
    quote = ""
    for index, character in enumerate(text):
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote = character
        elif character == "," and depth == 0:
            yield text[start:index]
            start = index + 1
        else:
            depth += _BRACKETS.get(character, 0)
    yield text[start:]


def _parse_value(text: str, entry: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}\n")["value"]
    except (ValueError, RecursionError) as error:
        if _BARE.fullmatch(text):
            return text
        raise SettingsError(
            f"--set {entry}: {text!r} is not a value", 'Write values as in TOML: 0.3, true, "text", [2, 2].'
        ) from error
