"""``config.json`` of a model directory, readable without torch."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from pcqtool.aggregation import AGGREGATIONS
from pcqtool.errors import ModelError
from pcqtool.model.untrusted_files import printable, read_json, short_repr

FORMAT = 1
CONFIG = "config.json"
MAX_LABELS = 1000
MIN_TEMPERATURE, MAX_TEMPERATURE = 0.001, 1000
"""Fitted temperatures are between about 0.2 and 3."""

_MAX_LENGTHS = {"name": 200, "label": 200, "trained_on": 10_000, "license": 2000}
_TEXTS = ("name", "aggregation", "trained_on", "license")
_TYPES = {"labels": list, "plugins": list, "network": dict, "provenance": dict} | dict.fromkeys(_TEXTS, str)
_JSON_NAMES = {str: "text", list: "a list", dict: "an object"}


@dataclass(frozen=True)
class EncoderRef:
    """Reference to an external encoder: frozen, and not stored in the model directory.

    Attributes:
        name: a Hub id such as ``openai/whisper-base``, or any name for an encoder that is not on the Hub.
        sha256: hash of the tensors that the model uses, in half precision.
    """

    name: str
    sha256: str


@dataclass(frozen=True)
class PluginRef:
    """A plugin that a model's network or encoder comes from.

    Attributes:
        group: its group of entry points, ``pcqtool.networks`` or ``pcqtool.encoders``.
        name: the kind of network or encoder.
        distribution: name of the distribution, as ``pip`` knows it.
        version: of the distribution.
    """

    group: str
    name: str
    distribution: str
    version: str

    def __str__(self) -> str:
        """Return distribution and version, as ``pip install`` takes them."""
        return f"{self.distribution}=={self.version}"


@dataclass(frozen=True)
class ModelConfig:
    """Contents of ``config.json``.

    Attributes:
        name: name of the model, written into every result.
        labels: class names, in the order of the logits.
        network: JSON form of the network's settings without the labels; ``kind`` names one that is not PCQ.
        temperature: divisor of the logits, fitted on data that the model was not trained on.
        aggregation: rule that combines the segments of a file into one prediction.
        trained_on: one line for the user about data and labels.
        provenance: tool version, corpora, seed, recipe and data of the training run.
        encoder_source: the external encoder; ``None`` if all weights are in the directory.
        license: one line on the terms of use, as the training corpora demand; empty if unknown.
        format: version of the file.
        plain_temperature: the divisor without a profile of the batch; ``None`` for the same.
        plugins: the plugins that the network and its encoder come from.
    """

    name: str
    labels: tuple[str, ...]
    network: Mapping[str, Any]
    temperature: float = 1.0
    aggregation: str = "mean-log"
    trained_on: str = ""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    encoder_source: EncoderRef | None = None
    license: str = ""
    format: int = FORMAT
    plain_temperature: float | None = None
    plugins: tuple[PluginRef, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the entries of ``config.json``; those of plugins are left out if there are none."""
        entries = asdict(self)
        return entries if self.plugins else {name: value for name, value in entries.items() if name != "plugins"}

    @property
    def has_profile(self) -> bool:
        """Whether the network standardises its inputs by the profile of a batch."""
        constant_s = self.network.get("profile_s", 0)
        return isinstance(constant_s, int | float) and constant_s > 0


def read_config(directory: Path) -> ModelConfig:
    """Read and check ``config.json``.

    Raises:
        ModelError: if it is missing, not JSON, of an unknown format, or has wrong or missing entries.
    """
    path = directory / CONFIG
    try:
        entries = read_json(path)
        if not isinstance(entries, dict):
            raise TypeError("not a JSON object")
        if type(entries.get("format", FORMAT)) is not int or entries.get("format", FORMAT) != FORMAT:
            raise ModelError(f"{path}: format {short_repr(entries['format'])} is not known", "Update pcqtool.")
        _check(entries)
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror}", "Is it a complete model directory?") from error
    except (TypeError, ValueError) as error:
        raise ModelError(f"{path} is not a valid model configuration: {error}") from error
    source = entries.get("encoder_source")
    parsed = {"labels": tuple(entries["labels"]), "encoder_source": source and EncoderRef(**source)}
    parsed["plugins"] = tuple(PluginRef(**each) for each in entries.get("plugins", ()))
    return ModelConfig(**entries | parsed)


def _check(entries: Mapping[str, Any]) -> None:
    if unknown := sorted(entries.keys() - {entry.name for entry in fields(ModelConfig)}):
        raise ValueError(f"unknown entries {', '.join(printable(name) for name in unknown[:5])}")
    if missing := sorted({"name", "labels", "network"} - entries.keys()):
        raise ValueError(f"missing entries {', '.join(missing)}")
    for name, kind in _TYPES.items():
        if name in entries and not isinstance(entries[name], kind):
            raise TypeError(f"{name} must be {_JSON_NAMES[kind]}, not {short_repr(entries[name])}")
    for name in ("name", "trained_on", "license"):
        _check_text(name, entries.get(name, ""), _MAX_LENGTHS[name])
    _check_labels(entries["labels"])
    for name in ("temperature", "plain_temperature"):
        if entries.get(name) is not None or name == "temperature":
            _check_temperature(name, entries.get(name, 1.0))
    if (source := entries.get("encoder_source")) is not None:
        _check_source(source)
    for plugin in entries.get("plugins", ()):
        _check_plugin(plugin)
    if (rule := entries.get("aggregation", AGGREGATIONS[0])) not in AGGREGATIONS:
        raise ValueError(f"aggregation must be one of {', '.join(AGGREGATIONS)}, not {short_repr(rule)}")


def _check_temperature(name: str, value: object) -> None:
    if type(value) not in (int, float) or not MIN_TEMPERATURE <= value <= MAX_TEMPERATURE:  # type: ignore[operator]
        bounds = f"from {MIN_TEMPERATURE} to {MAX_TEMPERATURE}"
        raise ValueError(f"{name} must be a positive number {bounds}, not {short_repr(value)}")


def _check_labels(labels: list[Any]) -> None:
    if len(labels) > MAX_LABELS:
        raise ValueError(f"labels must be {MAX_LABELS} at most, not {len(labels)}")
    if not all(isinstance(label, str) and label for label in labels) or len(set(labels)) != len(labels) or not labels:
        raise ValueError(f"labels must be different names, not {short_repr(labels)}")
    for label in labels:
        _check_text("a label", label, _MAX_LENGTHS["label"])


def _check_text(name: str, text: str, max_length: int) -> None:
    """Check that a text fits into one line of a table, a log or an error message."""
    if len(text) > max_length or any(unicodedata.category(character) in ("Cc", "Zl", "Zp") for character in text):
        raise ValueError(f"{name} must be text of one line, {max_length} characters at most, not {short_repr(text)}")


def _check_source(source: object) -> None:
    if not isinstance(source, dict) or source.keys() != {"name", "sha256"}:
        raise TypeError(f"encoder_source must be an object with name and sha256, not {short_repr(source)}")
    if not all(isinstance(value, str) and value for value in source.values()):
        raise TypeError(f"name and sha256 of encoder_source must be text, not {short_repr(source)}")
    check_encoder_name(source["name"])
    if not re.fullmatch("[0-9a-f]{64}", source["sha256"]):
        raise ValueError(f"sha256 of encoder_source must be 64 hexadecimal digits, not {short_repr(source['sha256'])}")


def _check_plugin(plugin: object) -> None:
    """Check a reference to a plugin, which becomes a part of the command that installs it."""
    names = {entry.name for entry in fields(PluginRef)}
    if not isinstance(plugin, dict) or plugin.keys() != names or not all(isinstance(x, str) for x in plugin.values()):
        raise TypeError(f"plugins must be objects with {', '.join(sorted(names))}, not {short_repr(plugin)}")
    for name, value in plugin.items():
        if len(value) > _MAX_LENGTHS["name"] or not re.fullmatch(r"[A-Za-z0-9]([\w.+!-]*\w)?", value, re.ASCII):
            raise ValueError(f"{name} of a plugin must be a short name, not {short_repr(value)}")


def check_license(text: str) -> None:
    """Check the line on a model's license.

    Raises:
        ValueError: if it is longer than a line of text may be, or not one line.
    """
    _check_text("the license", text, _MAX_LENGTHS["license"])


def check_encoder_name(name: str) -> None:
    """Check the name of an encoder: it may become a Hub id and part of a command, and must never be a path.

    Raises:
        ValueError: if it is not a valid name.
    """
    if len(name) > _MAX_LENGTHS["name"] or not re.fullmatch(r"\w[\w.+ -]*(/\w[\w.+ -]*)?", name):
        form = "NAME or OWNER/NAME, of letters, digits, '-', '_', '.'"
        raise ValueError(f"name of encoder_source must be {form}, not {short_repr(name)}")
