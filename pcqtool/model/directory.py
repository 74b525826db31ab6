"""Model directories: ``config.json``, ``model.safetensors``, ``metrics.json``, ``README.md``; never a pickle."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pcqtool.errors import ModelError, SettingsError
from pcqtool.model.config import CONFIG, ModelConfig, read_config
from pcqtool.tables.atomic import replacing

if TYPE_CHECKING:
    from torch import Tensor

    from pcqtool.model.pcq import PCQ, PCQConfig

__all__ = [
    "CONFIG",
    "DEFAULT",
    "ModelConfig",
    "available",
    "describe",
    "find",
    "load",
    "network",
    "read_config",
    "save",
    "sha256",
]

DEFAULT = "pcq-mini"
WEIGHTS, METRICS, CARD = "model.safetensors", "metrics.json", "README.md"
_BUNDLED = Path(__file__).parent / "bundled"


def available() -> list[Path]:
    """List the model directories inside the package."""
    return sorted(path.parent for path in _BUNDLED.glob(f"*/{CONFIG}"))


def find(name: str | os.PathLike[str] | None = None) -> Path:
    """Find a model by directory or by the name of a bundled one; without a name, the default.

    Raises:
        ModelError: if there is none.
    """
    wanted = os.fspath(name or DEFAULT)
    bundled = {path.name: path for path in available()}
    if wanted in bundled:
        return bundled[wanted]
    with suppress(OSError):  # a name too long, or a folder that may not be looked into
        if (Path(wanted) / CONFIG).is_file():
            return Path(wanted)
    raise ModelError(
        f"no model {wanted!r}: neither a bundled model nor a directory with {CONFIG}",
        f"Bundled: {', '.join(bundled) or 'none'}. Name a model directory with --model, or leave --model out.",
    )


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
    """Write a model directory, the configuration last: while that is missing, it is no model.

    Weights are stored in half precision, batch normalisation's counters left out.

    Raises:
        ModelError: if a weight does not fit into half precision.
        TableError: if the file system refuses.
    """
    import torch
    from safetensors.torch import save as to_bytes

    weights = {name: tensor.detach().to("cpu", torch.float16).contiguous() for name, tensor in _stored(model).items()}
    for name, tensor in weights.items():
        if not torch.isfinite(tensor).all():
            raise ModelError(f"{name} holds numbers that half precision cannot: nothing is saved")
    texts = {METRICS: json.dumps(metrics, indent=1), CARD: card, CONFIG: json.dumps(asdict(config), indent=1)}
    with replacing(directory / WEIGHTS) as file:
        (directory / CONFIG).unlink(missing_ok=True)
        file.write(to_bytes(weights, metadata={"format": "pt"}))
    for name, text in texts.items():
        with replacing(directory / name) as file:
            file.write(f"{text.rstrip()}\n".encode())


def load(directory: Path) -> tuple[PCQ, ModelConfig]:
    """Load a model, in evaluation mode on the CPU in float32.

    Raises:
        ModelError: if a file is missing or damaged, or weights are missing, superfluous, misshapen or not finite.
    """
    config = read_config(directory)
    weights = _read_weights(directory / WEIGHTS)
    model = _build(directory / CONFIG, config)
    _check_weights(directory / WEIGHTS, weights, _stored(model))
    model.load_state_dict({name: tensor.float() for name, tensor in weights.items()}, strict=False)
    return model.eval(), config


def _read_weights(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        weights: dict[str, Tensor] = load_file(path)
    except OSError as error:
        reason = error.strerror or "it is not there"
        raise ModelError(f"cannot read {path}: {reason}", "Is it a complete model directory?") from error
    except SafetensorError as error:
        raise ModelError(f"{path} is damaged: {error}", "Copy the model directory again, or train it again.") from error
    return weights


def _build(path: Path, config: ModelConfig) -> PCQ:
    from pcqtool.model.pcq import PCQ

    try:
        return PCQ(network(config))
    except ModelError as error:
        raise ModelError(f"{path}: {error.what}", error.hint) from error
    except (TypeError, ValueError, RuntimeError) as error:
        raise ModelError(f"{path} describes no network that can be built: {error}") from error


def _check_weights(path: Path, weights: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
    """Check that the weights are those of the network."""
    if missing := sorted(wanted.keys() - weights.keys()):
        raise ModelError(f"{path} does not fit its {CONFIG}: missing {', '.join(missing[:3])}")
    if superfluous := sorted(weights.keys() - wanted.keys()):
        raise ModelError(f"{path} does not fit its {CONFIG}: superfluous {', '.join(superfluous[:3])}")
    for name, tensor in weights.items():
        if tensor.shape != wanted[name].shape:
            raise ModelError(f"{path} does not fit its {CONFIG}: {name} has shape {tuple(tensor.shape)}")
        if not tensor.isfinite().all():
            raise ModelError(f"{path} is damaged: {name} holds numbers that are not finite")


def _stored(model: PCQ) -> dict[str, Tensor]:
    """Give what training makes: parameters and running statistics. Windows and filter banks follow from the config."""
    state: dict[str, Tensor] = model.state_dict()
    learned = {name for name, _ in model.named_parameters()}
    return {name: value for name, value in state.items() if name in learned or ".running_" in name}


def network(config: ModelConfig) -> PCQConfig:
    """Build the network's settings from their JSON form.

    Raises:
        ModelError: if a setting is unknown or has a wrong value.
    """
    from pcqtool.audio.spectrogram import SpectrogramSettings
    from pcqtool.model.encoders import EncoderConfig
    from pcqtool.model.pcq import PCQConfig

    try:
        entries = _tuples(config.network)
        encoder = EncoderConfig(**_tuples(entries.pop("encoder", {})))
        spectrogram = SpectrogramSettings(**entries.pop("spectrogram", {}))
        return PCQConfig(labels=config.labels, encoder=encoder, spectrogram=spectrogram, **entries)
    except (SettingsError, TypeError, ValueError) as error:
        raise ModelError(f"the network of model {config.name} is not valid: {error}") from error


def _tuples(table: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in dict(table).items()}


def describe(network: PCQConfig) -> dict[str, Any]:
    """Turn a network's settings into their JSON form, the inverse of ``network``."""
    entries = asdict(network)
    del entries["labels"]
    return entries
