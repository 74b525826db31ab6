"""``config.json`` of a model directory: what a model is, readable without torch."""

from __future__ import annotations

import json
import math
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
    """

    name: str
    labels: tuple[str, ...]
    network: Mapping[str, Any]
    temperature: float = 1.0
    aggregation: str = "mean-log"
    trained_on: str = ""
    provenance: Mapping[str, Any] = field(default_factory=dict)
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
    return ModelConfig(**entries | {"labels": tuple(entries["labels"])})


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
    if "aggregation" in entries and entries["aggregation"] not in AGGREGATIONS:
        raise ValueError(f"aggregation must be one of {', '.join(AGGREGATIONS)}, not {entries['aggregation']!r}")
