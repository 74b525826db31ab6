"""Model directories: ``config.json``, ``model.safetensors``, ``metrics.json`` and ``README.md``, never a pickle."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pcqtool.errors import ModelError, SettingsError
from pcqtool.files.atomic import replacing, write_whole
from pcqtool.model.config import CONFIG, EncoderRef, ModelConfig, read_config
from pcqtool.model.encoder_search import WEIGHTS, EncoderSearchPath
from pcqtool.model.untrusted_files import read_json, sha256_of

if TYPE_CHECKING:
    from torch import Tensor

    from pcqtool.model.network import AnyNetwork

__all__ = [
    "CONFIG",
    "DEFAULT",
    "WEIGHTS",
    "EncoderRef",
    "EncoderSearchPath",
    "ModelConfig",
    "bundled_models",
    "find",
    "load",
    "locate_encoder",
    "model_sha256",
    "read_config",
    "read_metrics",
    "save",
]

DEFAULT = "pcq-mini"
METRICS, CARD = "metrics.json", "README.md"
_BUNDLED = Path(__file__).parent / "bundled"


def bundled_models() -> list[Path]:
    """Return the model directories inside the package."""
    return sorted(path.parent for path in _BUNDLED.glob(f"*/{CONFIG}"))


def find(name: str | os.PathLike[str] | None = None) -> Path:
    """Return the directory of a model, given a directory or the name of a bundled model; the default without a name.

    Raises:
        SettingsError: if no model has that name.
        ModelError: if the directory is incomplete, or the package has no models.
    """
    wanted = os.fspath(name or DEFAULT)
    bundled = {path.name: path for path in bundled_models()}
    if wanted in bundled:
        return bundled[wanted]
    with suppress(OSError):  # the name is too long, or the folder is not readable
        if (Path(wanted) / CONFIG).is_file():
            return Path(wanted)
        if name and (Path(wanted) / WEIGHTS).exists():
            raise ModelError(f"the model in {wanted} has no {CONFIG}", "Copy its directory again.")
    fault = SettingsError if name else ModelError
    raise fault(
        f"no model {wanted!r}: neither a bundled model nor a directory with {CONFIG}",
        f"Bundled: {', '.join(bundled) or 'none'}. Name a model directory with --model, or leave --model out.",
    )


def model_sha256(directory: Path) -> str:
    """Hash a model's configuration and weights, which together determine every result.

    The configuration contains the hash of an external encoder.

    Raises:
        ModelError: if a file is missing.
    """
    try:
        return sha256_of(directory / CONFIG, directory / WEIGHTS)
    except OSError as error:
        raise ModelError(f"cannot read {error.filename}: {error.strerror}") from error


def read_metrics(directory: Path) -> Any:
    """Read the scores of a model; return ``None`` if it has none, since a model works without them.

    Raises:
        ModelError: if the file is damaged.
    """
    try:
        return read_json(directory / METRICS)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ModelError(f"cannot read {directory / METRICS}: {error}", "Is it a complete model directory?") from error


def save(directory: Path, config: ModelConfig, model: AnyNetwork, metrics: Mapping[str, Any], card: str) -> None:
    """Write a model directory; the configuration comes last, since a directory without it does not count as a model.

    Weights are stored in half precision, except those of ``Network.stored_exactly``, without an external encoder.

    Raises:
        ModelError: if a weight is outside the range of half precision.
        FileError: if the file system refuses.
    """
    from safetensors.torch import save as to_bytes

    from pcqtool.model.weights import to_half

    weights = to_half(_own_weights(model, config), model.stored_exactly())
    texts = {METRICS: json.dumps(metrics, indent=1), CARD: card, CONFIG: json.dumps(config.to_json(), indent=1)}
    with replacing(directory / WEIGHTS) as file:
        (directory / CONFIG).unlink(missing_ok=True)
        file.write(to_bytes(weights, metadata={"format": "pt"}))
    for name, text in texts.items():
        write_whole(directory / name, f"{text.rstrip()}\n".encode())


def load(directory: Path, encoders: EncoderSearchPath | None = None) -> tuple[AnyNetwork, ModelConfig]:
    """Load a model, in evaluation mode on the CPU in float32.

    Args:
        directory: the model directory.
        encoders: where to look for an external encoder; by default in the folders of ``PCQTOOL_ENCODERS`` and in the
            Hub's cache.

    Raises:
        ModelError: if a file is missing or damaged, if weights are missing, unexpected, not finite or of a wrong
            shape, if a plugin is not installed, or if the external encoder is not found or has other weights.
    """
    from pcqtool.model.plugin_versions import check_plugins
    from pcqtool.model.weight_files import check_weights
    from pcqtool.model.weights import read_weights

    config = read_config(directory)
    check_plugins(config)
    skeleton = _build_skeleton(directory, config)  # allocate no memory before configuration and weights agree
    expected = {name: tensor.shape for name, tensor in _own_weights(skeleton, config).items()}
    check_weights(directory / WEIGHTS, expected)
    weights: dict[str, Tensor] = {}
    if config.encoder_source is not None:
        from pcqtool.model.external_encoder import ENCODER_PREFIX, find_encoder

        _, tensors = find_encoder(config, skeleton, encoders or EncoderSearchPath())
        weights |= {ENCODER_PREFIX + name: tensor for name, tensor in tensors.items()}
    weights |= read_weights(directory / WEIGHTS)
    model = _build(directory / CONFIG, config)
    model.load_state_dict({name: tensor.float() for name, tensor in weights.items()}, strict=False)
    return model.eval(), config


def locate_encoder(directory: Path, encoders: EncoderSearchPath) -> Path | None:
    """Return the directory of a model's external encoder, whose tensors are checked; ``None`` if it has none.

    Raises:
        ModelError: as ``load``.
    """
    config = read_config(directory)
    if config.encoder_source is None:
        return None
    from pcqtool.model.external_encoder import find_encoder

    path, _ = find_encoder(config, _build_skeleton(directory, config), encoders)
    return path


def _own_weights(model: AnyNetwork, config: ModelConfig) -> dict[str, Tensor]:
    """Return the weights that are stored in the model directory."""
    weights = model.stored_state()
    if config.encoder_source is None:
        return weights
    from pcqtool.model.external_encoder import ENCODER_PREFIX

    return {name: tensor for name, tensor in weights.items() if not name.startswith(ENCODER_PREFIX)}


def _build_skeleton(directory: Path, config: ModelConfig) -> AnyNetwork:
    """Build a network on the meta device, whose weights have shapes but no values."""
    import torch

    with torch.device("meta"):
        return _build(directory / CONFIG, config)


def _build(path: Path, config: ModelConfig) -> AnyNetwork:
    from pcqtool.model.network_settings import network_config_from_json
    from pcqtool.model.registry import kind_of, network_class

    try:
        model = network_class(kind_of(config.network))(network_config_from_json(config))
        if config.encoder_source is not None:
            from pcqtool.model.external_encoder import external_encoder

            external_encoder(model)
        return model
    except ModelError as error:
        raise ModelError(f"{path}: {error.what}", error.hint) from error
    except Exception as error:  # of a plugin, of any kind
        raise ModelError(f"{path} does not describe a valid network: {error}") from error
