"""Model directories: ``config.json``, ``model.safetensors``, ``metrics.json``, ``README.md``. No pickle is ever loaded."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pcqtool.errors import ModelError

if TYPE_CHECKING:
    from torch import Tensor

    from pcqtool.model.pcq import PCQ, PCQConfig

FORMAT = 1
DEFAULT = "pcq-mini"
CONFIG, WEIGHTS, METRICS, CARD = "config.json", "model.safetensors", "metrics.json", "README.md"
_BUNDLED = Path(__file__).parent / "bundled"


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


def available() -> list[Path]:
    """List the model directories inside the package."""
    return sorted(path.parent for path in _BUNDLED.glob(f"*/{CONFIG}"))


def find(name: str | os.PathLike[str] | None = None) -> Path:
    """Find a model by directory or by the name of a bundled one; without a name, the default.

    Raises:
        ModelError: if there is none.
    """
    for candidate in (_BUNDLED / (name or DEFAULT), Path(name or DEFAULT)):
        if (candidate / CONFIG).is_file():
            return candidate
    bundled = ", ".join(path.name for path in available()) or "none"
    raise ModelError(
        f"no model {os.fspath(name or DEFAULT)!r}: neither a bundled model nor a directory with {CONFIG}",
        f"Bundled: {bundled}. Name a model directory with --model, or leave --model out.",
    )


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
        unknown = set(entries) - {f.name for f in fields(ModelConfig)}
        if unknown:
            raise TypeError(f"unknown entries {sorted(unknown)}")
        config = ModelConfig(**entries | {"labels": tuple(entries["labels"])})
        _check(config)
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror}", "Is it a complete model directory?") from error
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{path} is not a valid model configuration: {error}") from error
    return config


def _check(config: ModelConfig) -> None:
    if not all(isinstance(label, str) for label in config.labels) or not isinstance(config.network, dict):
        raise TypeError("labels must be strings and network an object")
    if not isinstance(config.temperature, int | float) or not config.temperature > 0:
        raise ValueError(f"temperature must be a positive number, not {config.temperature!r}")


def sha256(directory: Path) -> str:
    """Hash the model: its configuration and its weights, which together decide every result.

    Raises:
        ModelError: if a file is missing.
    """
    digest = hashlib.sha256()
    for name in (CONFIG, WEIGHTS):
        try:
            digest.update((directory / name).read_bytes())
        except OSError as error:
            raise ModelError(f"cannot read {directory / name}: {error.strerror}") from error
    return digest.hexdigest()


def save(directory: Path, config: ModelConfig, model: PCQ, metrics: Mapping[str, Any], card: str) -> None:
    """Write a model directory; weights are stored in half precision, batch normalisation's counters left out."""
    import torch
    from safetensors.torch import save_file

    directory.mkdir(parents=True, exist_ok=True)
    weights = {name: tensor.to(torch.float16).contiguous() for name, tensor in _stored(model).items()}
    save_file(weights, directory / WEIGHTS, metadata={"format": "pt"})
    (directory / METRICS).write_text(json.dumps(metrics, indent=1) + "\n", encoding="utf-8")
    (directory / CARD).write_text(card, encoding="utf-8")
    (directory / CONFIG).write_text(json.dumps(asdict(config), indent=1) + "\n", encoding="utf-8")


def load(directory: Path) -> tuple[PCQ, ModelConfig]:
    """Load a model, in evaluation mode on the CPU in float32.

    Raises:
        ModelError: if a file is missing or damaged, or weights are missing, superfluous, misshapen or not finite.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from pcqtool.model.pcq import PCQ

    config = read_config(directory)
    path = directory / WEIGHTS
    try:
        model = PCQ(network(config))
        weights = load_file(path)
    except (OSError, SafetensorError, TypeError, ValueError, RuntimeError) as error:
        raise ModelError(f"cannot load {path}: {error}", "Is it a complete model directory?") from error
    stored = _stored(model)
    if weights.keys() != stored.keys():
        odd = sorted(weights.keys() ^ stored.keys())
        raise ModelError(f"{path} does not fit its {CONFIG}: missing or superfluous {', '.join(odd[:3])}")
    for name, tensor in weights.items():
        if tensor.shape != stored[name].shape:
            raise ModelError(f"{path} does not fit its {CONFIG}: {name} has shape {tuple(tensor.shape)}")
        if not torch.isfinite(tensor).all():
            raise ModelError(f"{path} is damaged: {name} holds numbers that are not finite")
    model.load_state_dict({name: tensor.float() for name, tensor in weights.items()}, strict=False)
    return model.eval(), config


def _stored(model: PCQ) -> dict[str, Tensor]:
    """Give what training makes: parameters and running statistics. Windows and filter banks follow from the config."""
    state: dict[str, Tensor] = model.state_dict()
    learned = {name for name, _ in model.named_parameters()}
    return {name: value for name, value in state.items() if name in learned or ".running_" in name}


def network(config: ModelConfig) -> PCQConfig:
    """Build the network's settings from their JSON form."""
    from pcqtool.audio.spectrogram import SpectrogramSettings
    from pcqtool.model.encoders import EncoderConfig
    from pcqtool.model.pcq import PCQConfig

    entries = dict(config.network)
    encoder = dict(entries.pop("encoder", {}))
    spectrogram = SpectrogramSettings(**entries.pop("spectrogram", {}))
    encoder["layers"] = tuple(encoder.get("layers", (-1,)))
    plain: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in entries.items()}
    return PCQConfig(labels=config.labels, encoder=EncoderConfig(**encoder), spectrogram=spectrogram, **plain)


def describe(network: PCQConfig) -> dict[str, Any]:
    """Turn a network's settings into their JSON form, the inverse of ``network``."""
    entries = asdict(network)
    del entries["labels"]
    return entries
