"""``config.json`` of a model directory: what a model is, readable without torch."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from pcqtool.errors import ModelError
from pcqtool.tables.aggregate import AGGREGATIONS

FORMAT = 1
CONFIG = "config.json"
_TYPES = {"name": str, "labels": list, "network": dict, "aggregation": str, "trained_on": str, "provenance": dict}
_JSON_NAMES = {str: "text", list: "a list", dict: "an object"}


@dataclass(frozen=True)
class EncoderSource:
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
    encoder_source: EncoderSource | None = None
    format: int = FORMAT


def read_config(directory: Path) -> ModelConfig:
    """Read and check ``config.json``.

    Raises:
        ModelError: if it is missing, not JSON, of a newer format, or has wrong or missing entries.
    """
    path = directory / CONFIG
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(entries, dict):
            raise TypeError("not a JSON object")
        if entries.get("format", FORMAT) != FORMAT:
            raise ModelError(f"{path}: format {entries['format']} is not known", "Update pcqtool.")
        _check(entries)
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror}", "Is it a complete model directory?") from error
    except (RecursionError, TypeError, ValueError) as error:
        raise ModelError(f"{path} is not a valid model configuration: {error}") from error
    source = entries.get("encoder_source")
    made = {"labels": tuple(entries["labels"]), "encoder_source": source and EncoderSource(**source)}
    return ModelConfig(**entries | made)


def _check(entries: Mapping[str, Any]) -> None:
    if unknown := sorted(entries.keys() - {entry.name for entry in fields(ModelConfig)}):
        raise ValueError(f"unknown entries {', '.join(unknown)}")
    if missing := sorted({"name", "labels", "network"} - entries.keys()):
        raise ValueError(f"missing entries {', '.join(missing)}")
    for name, kind in _TYPES.items():
        if name in entries and not isinstance(entries[name], kind):
            raise TypeError(f"{name} must be {_JSON_NAMES[kind]}, not {entries[name]!r}")
    labels = entries["labels"]
    if not all(isinstance(label, str) and label for label in labels) or len(set(labels)) != len(labels) or not labels:
        raise ValueError(f"labels must be different names, not {labels}")
    temperature = entries.get("temperature", 1.0)
    if type(temperature) not in (int, float) or not 0 < temperature < math.inf:
        raise ValueError(f"temperature must be a positive number, not {temperature!r}")
    if (source := entries.get("encoder_source")) is not None:
        _check_source(source)
    if "aggregation" in entries and entries["aggregation"] not in AGGREGATIONS:
        raise ValueError(f"aggregation must be one of {', '.join(AGGREGATIONS)}, not {entries['aggregation']!r}")


def _check_source(source: object) -> None:
    if not isinstance(source, dict) or source.keys() != {"name", "sha256"}:
        raise TypeError(f"encoder_source must be an object of name and sha256, not {source!r}")
    if not all(isinstance(value, str) and value for value in source.values()):
        raise TypeError(f"name and sha256 of encoder_source must be text, not {source!r}")
    if not re.fullmatch("[0-9a-f]{64}", source["sha256"]):
        raise ValueError(f"sha256 of encoder_source must be 64 hexadecimal digits, not {source['sha256']!r}")
