"""Model directories: ``config.json``, ``model.safetensors``, ``metrics.json``, ``README.md``; never a pickle."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pcqtool.errors import ModelError, SettingsError
from pcqtool.files.atomic import replacing, write_whole
from pcqtool.model.config import CONFIG, EncoderRef, ModelConfig, read_config
from pcqtool.model.config_rules import check_network
from pcqtool.model.encoder_search import WEIGHTS, EncoderSearchPath
from pcqtool.model.safe_files import read_json, sha256_of

if TYPE_CHECKING:
    from torch import Tensor

    from pcqtool.model.pcq import PCQ, PCQConfig

__all__ = [
    "CONFIG",
    "DEFAULT",
    "WEIGHTS",
    "EncoderRef",
    "EncoderSearchPath",
    "ModelConfig",
    "available",
    "describe",
    "find",
    "load",
    "locate_encoder",
    "network",
    "read_config",
    "read_metrics",
    "save",
    "sha256",
]

DEFAULT = "pcq-mini"
METRICS, CARD = "metrics.json", "README.md"
_BUNDLED = Path(__file__).parent / "bundled"


def available() -> list[Path]:
    """List the model directories inside the package."""
    return sorted(path.parent for path in _BUNDLED.glob(f"*/{CONFIG}"))


def find(name: str | os.PathLike[str] | None = None) -> Path:
    """Find a model by directory or by the name of a bundled one; without a name, the default.

    Raises:
        SettingsError: if there is none of that name.
        ModelError: if the directory is no whole model, or the package has none.
    """
    wanted = os.fspath(name or DEFAULT)
    bundled = {path.name: path for path in available()}
    if wanted in bundled:
        return bundled[wanted]
    with suppress(OSError):  # a name too long, or a folder that may not be looked into
        if (Path(wanted) / CONFIG).is_file():
            return Path(wanted)
        if name and (Path(wanted) / WEIGHTS).exists():
            raise ModelError(f"the model in {wanted} lacks its {CONFIG}", "Copy its directory again.")
    fault = SettingsError if name else ModelError
    raise fault(
        f"no model {wanted!r}: neither a bundled model nor a directory with {CONFIG}",
        f"Bundled: {', '.join(bundled) or 'none'}. Name a model directory with --model, or leave --model out.",
    )


def sha256(directory: Path) -> str:
    """Hash the model: its configuration and its weights, which together decide every result.

    The hash of an encoder that is not in the directory is part of the configuration.

    Raises:
        ModelError: if a file is missing.
    """
    try:
        return sha256_of(directory / CONFIG, directory / WEIGHTS)
    except OSError as error:
        raise ModelError(f"cannot read {error.filename}: {error.strerror}") from error


def read_metrics(directory: Path) -> Any:
    """Read the scores of a model, or ``None``: it works without them.

    Raises:
        ModelError: if the file is damaged.
    """
    try:
        return read_json(directory / METRICS)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ModelError(f"cannot read {directory / METRICS}: {error}", "Is it a complete model directory?") from error


def save(directory: Path, config: ModelConfig, model: PCQ, metrics: Mapping[str, Any], card: str) -> None:
    """Write a model directory, the configuration last: while that is missing, it is no model.

    Weights are stored in half precision, batch normalisation's counters left out, and so the encoder's where
    ``config.encoder_source`` names one.

    Raises:
        ModelError: if a weight does not fit into half precision.
        TableError: if the file system refuses.
    """
    from safetensors.torch import save as to_bytes

    from pcqtool.model.weights import to_half

    weights = to_half(_held(model, config))
    texts = {METRICS: json.dumps(metrics, indent=1), CARD: card, CONFIG: json.dumps(asdict(config), indent=1)}
    with replacing(directory / WEIGHTS) as file:
        (directory / CONFIG).unlink(missing_ok=True)
        file.write(to_bytes(weights, metadata={"format": "pt"}))
    for name, text in texts.items():
        write_whole(directory / name, f"{text.rstrip()}\n".encode())


def load(directory: Path, encoders: EncoderSearchPath | None = None) -> tuple[PCQ, ModelConfig]:
    """Load a model, in evaluation mode on the CPU in float32.

    Args:
        directory: the model's.
        encoders: where to look for an encoder that the model names and does not hold; without it, where
            ``PCQTOOL_ENCODERS`` says, and in the Hub's cache.

    Raises:
        ModelError: if a file is missing or damaged, or weights are missing, superfluous, misshapen or not finite, or
            the encoder is nowhere or another one.
    """
    from pcqtool.model.weights import check_weights, read_weights

    config = read_config(directory)
    shape = _shape(directory, config)  # whatever the files want, no memory is taken before they agree
    check_weights(directory / WEIGHTS, _held(shape, config))
    weights: dict[str, Tensor] = {}
    if config.encoder_source is not None:
        from pcqtool.model.external_encoder import PREFIX, find_encoder

        _, tensors = find_encoder(config, shape, encoders or EncoderSearchPath())
        weights |= {PREFIX + name: tensor for name, tensor in tensors.items()}
    weights |= read_weights(directory / WEIGHTS)
    model = _build(directory / CONFIG, config)
    model.load_state_dict({name: tensor.float() for name, tensor in weights.items()}, strict=False)
    return model.eval(), config


def locate_encoder(directory: Path, encoders: EncoderSearchPath) -> Path | None:
    """Find the encoder that a model names, its tensors checked; ``None`` for a model that holds all its weights.

    Raises:
        ModelError: as ``load``.
    """
    config = read_config(directory)
    if config.encoder_source is None:
        return None
    from pcqtool.model.external_encoder import find_encoder

    place, _ = find_encoder(config, _shape(directory, config), encoders)
    return place


def _held(model: PCQ, config: ModelConfig) -> dict[str, Tensor]:
    """Give the weights that are in the model's own directory."""
    from pcqtool.model.weights import learned

    weights = learned(model)
    if config.encoder_source is None:
        return weights
    from pcqtool.model.external_encoder import PREFIX

    return {name: tensor for name, tensor in weights.items() if not name.startswith(PREFIX)}


def _shape(directory: Path, config: ModelConfig) -> PCQ:
    """Build a network whose weights have shapes and no values."""
    import torch

    with torch.device("meta"):
        return _build(directory / CONFIG, config)


def _build(path: Path, config: ModelConfig) -> PCQ:
    from pcqtool.model.pcq import PCQ

    try:
        model = PCQ(network(config))
        if config.encoder_source is not None:
            from pcqtool.model.external_encoder import foreign_encoder

            foreign_encoder(model)
        return model
    except ModelError as error:
        raise ModelError(f"{path}: {error.what}", error.hint) from error
    except (TypeError, ValueError, RuntimeError) as error:
        raise ModelError(f"{path} describes no network that can be built: {error}") from error


def network(config: ModelConfig) -> PCQConfig:
    """Build the network's settings from their JSON form.

    Raises:
        ModelError: if a setting is unknown or has a wrong value.
    """
    from pcqtool.audio.spectrogram import SpectrogramSettings
    from pcqtool.model.encoders import EncoderConfig
    from pcqtool.model.pcq import PCQConfig

    try:
        check_network(config.network)
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
