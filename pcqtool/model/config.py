"""``config.json`` of a model directory: what a model is, readable without torch."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from pcqtool.aggregation import AGGREGATIONS
from pcqtool.errors import ModelError
from pcqtool.model.safe_files import brief, read_json

FORMAT = 1
CONFIG = "config.json"
MOST_LABELS = 1000
COLDEST, HOTTEST = 0.001, 1000
"""Temperatures; validation data gives some tenths to a few."""

_LONGEST = {"name": 200, "label": 200, "trained_on": 10_000}
_TYPES = {"name": str, "labels": list, "network": dict, "aggregation": str, "trained_on": str, "provenance": dict}
_JSON_NAMES = {str: "text", list: "a list", dict: "an object"}


@dataclass(frozen=True)
class EncoderRef:
    """A frozen encoder that a model names instead of holding its weights.

    Attributes:
        name: a Hub id such as ``openai/whisper-base``, or any name for one that is not on the Hub.
        sha256: hash of the tensors that the model uses, in half precision.
    """

    name: str
    sha256: str


@dataclass(frozen=True)
class ModelConfig:
    """What ``config.json`` holds; reading it needs no torch.

    Attributes:
        name: of the model, written into every result.
        labels: the classes, in the order of the logits.
        network: the settings of ``PCQConfig`` except the labels.
        temperature: divides the logits; fitted on validation data.
        aggregation: rule by which segments make a file's judgement.
        trained_on: one line for the user: which data, which labels.
        provenance: tool version, corpora, seed, recipe, data of the training run.
        encoder_source: the encoder whose weights are not in the directory; ``None`` if all are.
    """

    name: str
    labels: tuple[str, ...]
    network: Mapping[str, Any]
    temperature: float = 1.0
    aggregation: str = "mean-log"
    trained_on: str = ""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    encoder_source: EncoderRef | None = None
    format: int = FORMAT


def read_config(directory: Path) -> ModelConfig:
    """Read and check ``config.json``.

    Raises:
        ModelError: if it is missing, not JSON, of a newer format, or has wrong or missing entries.
    """
    path = directory / CONFIG
    try:
        entries = read_json(path)
        if not isinstance(entries, dict):
            raise TypeError("not a JSON object")
        if type(entries.get("format", FORMAT)) is not int or entries.get("format", FORMAT) != FORMAT:
            raise ModelError(f"{path}: format {brief(entries['format'])} is not known", "Update pcqtool.")
        _check(entries)
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror}", "Is it a complete model directory?") from error
    except (TypeError, ValueError) as error:
        raise ModelError(f"{path} is not a valid model configuration: {error}") from error
    source = entries.get("encoder_source")
    made = {"labels": tuple(entries["labels"]), "encoder_source": source and EncoderRef(**source)}
    return ModelConfig(**entries | made)


def _check(entries: Mapping[str, Any]) -> None:
    if unknown := sorted(entries.keys() - {entry.name for entry in fields(ModelConfig)}):
        raise ValueError(f"unknown entries {', '.join(_shown(name) for name in unknown[:5])}")
    if missing := sorted({"name", "labels", "network"} - entries.keys()):
        raise ValueError(f"missing entries {', '.join(missing)}")
    for name, kind in _TYPES.items():
        if name in entries and not isinstance(entries[name], kind):
            raise TypeError(f"{name} must be {_JSON_NAMES[kind]}, not {brief(entries[name])}")
    for name in ("name", "trained_on"):
        _check_text(name, entries.get(name, ""), _LONGEST[name])
    _check_labels(entries["labels"])
    temperature = entries.get("temperature", 1.0)
    if type(temperature) not in (int, float) or not COLDEST <= temperature <= HOTTEST:
        raise ValueError(f"temperature must be a positive number from {COLDEST} to {HOTTEST}, not {brief(temperature)}")
    if (source := entries.get("encoder_source")) is not None:
        _check_source(source)
    if "aggregation" in entries and entries["aggregation"] not in AGGREGATIONS:
        raise ValueError(f"aggregation must be one of {', '.join(AGGREGATIONS)}, not {brief(entries['aggregation'])}")


def _check_labels(labels: list[Any]) -> None:
    if len(labels) > MOST_LABELS:
        raise ValueError(f"labels must be {MOST_LABELS} at most, not {len(labels)}")
    if not all(isinstance(label, str) and label for label in labels) or len(set(labels)) != len(labels) or not labels:
        raise ValueError(f"labels must be different names, not {brief(labels)}")
    for label in labels:
        _check_text("a label", label, _LONGEST["label"])


def _check_text(name: str, text: str, longest: int) -> None:
    """Check that a text can stand in a table, a log and an error."""
    if len(text) > longest or any(unicodedata.category(character) in ("Cc", "Zl", "Zp") for character in text):
        raise ValueError(f"{name} must be text of one line, {longest} characters at most, not {brief(text)}")


def _shown(name: str) -> str:
    return name if name.isprintable() and len(name) <= _LONGEST["name"] else brief(name)


def _check_source(source: object) -> None:
    if not isinstance(source, dict) or source.keys() != {"name", "sha256"}:
        raise TypeError(f"encoder_source must be an object of name and sha256, not {brief(source)}")
    if not all(isinstance(value, str) and value for value in source.values()):
        raise TypeError(f"name and sha256 of encoder_source must be text, not {brief(source)}")
    check_encoder_name(source["name"])
    if not re.fullmatch("[0-9a-f]{64}", source["sha256"]):
        raise ValueError(f"sha256 of encoder_source must be 64 hexadecimal digits, not {brief(source['sha256'])}")


def check_encoder_name(name: str) -> None:
    """Check the name of an encoder, which may become a Hub id and part of a command, and must never be a path.

    Raises:
        ValueError: if it cannot be one.
    """
    if len(name) > _LONGEST["name"] or not re.fullmatch(r"\w[\w.+ -]*(/\w[\w.+ -]*)?", name):
        raise ValueError(
            f"name of encoder_source must be NAME or OWNER/NAME, of letters, digits, '-', '_', '.', not {brief(name)}"
        )
