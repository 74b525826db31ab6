"""External encoders: frozen encoders that a model references by the hash of their tensors instead of storing them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import safe_open
from torch import Tensor

from pcqtool.errors import ModelError
from pcqtool.model.config import EncoderRef, ModelConfig, check_encoder_name
from pcqtool.model.encoder_search import WEIGHTS, EncoderSearchPath, remedy
from pcqtool.model.encoders import EncoderConfig, PretrainedEncoder
from pcqtool.model.encoders.pretrained import HF_KINDS, UNUSED_WEIGHT
from pcqtool.model.network import AnyNetwork
from pcqtool.model.untrusted_files import short_repr
from pcqtool.model.weight_files import FLOATS, checked_file
from pcqtool.model.weights import learned_state, to_half

ENCODER_PREFIX = "encoder.model."
"""Prefix of the external encoder's tensors in a network; ``encoder.mix``, our layer weights, does not match."""

_POSITIONS = "embed_positions.weight"  # of Whisper; only the first ones are used
_CHECKPOINT_PREFIXES = ("", "encoder.", "model.encoder.", "wavlm.", "wav2vec2.", "hubert.")  # bare or with a head
_OLD_NAMES = {"parametrizations.weight.original0": "weight_g", "parametrizations.weight.original1": "weight_v"}


def reference_encoder(model: AnyNetwork, name: str) -> EncoderRef:
    """Return a reference to a network's encoder, which then need not be stored in the model directory.

    Raises:
        ModelError: if the network has no pre-trained encoder, the encoder is not frozen, or the name is not valid.
    """
    try:
        check_encoder_name(name)
    except ValueError as error:
        raise ModelError(str(error)) from error
    return EncoderRef(name, tensors_sha256(used_tensors(external_encoder(model))))


def external_encoder(model: AnyNetwork) -> PretrainedEncoder:
    """Return a network's encoder, which must be pre-trained and frozen.

    Raises:
        ModelError: if it is not.
    """
    check_external(model.config.encoder)
    if not isinstance(model.encoder, PretrainedEncoder):
        raise ModelError("the network's encoder does not match its configuration")
    return model.encoder


def check_external(encoder: EncoderConfig) -> None:
    """Check that an encoder can be external: it must be pre-trained and frozen.

    Raises:
        ModelError: if it is not.
    """
    if encoder.kind not in HF_KINDS or not encoder.frozen:
        raise ModelError(
            "only a frozen pre-trained encoder can be external",
            "Set frozen = true in the recipe's encoder, or store its weights in the model directory.",
        )


def used_tensors(encoder: PretrainedEncoder) -> dict[str, Tensor]:
    """Return the tensors an encoder uses in half precision, without removed layers and positions beyond 3 s.

    Their names are those of transformers' encoder class, so that complete checkpoints and encoder halves, in single
    or half precision, have the same tensors.

    Raises:
        ModelError: if a value is outside the range of half precision.
    """
    return to_half(_learned_tensors(encoder))


def _learned_tensors(encoder: PretrainedEncoder) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in learned_state(encoder.model).items() if name != UNUSED_WEIGHT}


def tensors_sha256(tensors: Mapping[str, Tensor]) -> str:
    """Hash half-precision tensors: name, shape and little-endian bytes of each, in the order of their names."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        values = tensors[name].numpy().astype("<f2", copy=False)
        digest.update(f"{name} float16 {list(values.shape)}\n".encode())
        digest.update(values.tobytes())
    return digest.hexdigest()


def read_used_tensors(directory: Path, expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Read the ``expected`` tensors of an encoder from its directory, in half precision.

    Raises:
        ModelError: if the file is missing or damaged, or a tensor is missing, of a wrong shape, or outside the range of
            half precision.
    """
    path = directory / WEIGHTS
    with checked_file(path), safe_open(path, framework="pt") as file:
        keys = _keys_in_file(path, set(file.keys()), expected)
        for name, key in keys.items():
            _check_slice(path, name, file.get_slice(key), expected[name])
        tensors = {
            name: file.get_slice(key)[: len(expected[name])] if name == _POSITIONS else file.get_tensor(key)
            for name, key in keys.items()
        }
    try:
        return to_half(tensors)
    except ModelError as error:
        raise ModelError(f"{path}: {error.what}") from error


def _check_slice(path: Path, name: str, found: Any, expected: Tensor) -> None:
    shape, kind = tuple(found.get_shape()), found.get_dtype()
    longer = name == _POSITIONS and shape[1:] == expected.shape[1:] and shape[0] >= len(expected)
    if not (longer or shape == expected.shape) or kind not in FLOATS:
        raise ModelError(f"{path}: {name} is {kind} of shape {short_repr(shape)}")


def find_encoder(config: ModelConfig, model: AnyNetwork, encoders: EncoderSearchPath) -> tuple[Path, dict[str, Tensor]]:
    """Find the external encoder of a model; return its directory, and its tensors in half precision.

    Args:
        config: configuration of a model with an external encoder.
        model: the network, for the shapes of its encoder's tensors; their values are not used.
        encoders: where to look.

    Raises:
        ModelError: if no encoder is found, or only encoders with other tensors.
    """
    if (source := config.encoder_source) is None:
        raise ModelError(f"model {config.name} has no external encoder")
    expected = _learned_tensors(external_encoder(model))
    rejected = []
    for directory in encoders.candidates(config):
        try:
            tensors = read_used_tensors(directory, expected)
        except ModelError as error:
            rejected.append(error.what)
            continue
        if (found := tensors_sha256(tensors)) == source.sha256:
            return directory, tensors
        rejected.append(f"the encoder in {directory} has the hash {found}")
    raise ModelError(
        f"model {config.name} needs the encoder {source.name} with the hash {source.sha256}, but {'; '.join(rejected)}",
        remedy(source),
    )


def _keys_in_file(path: Path, stored: set[str], expected: Mapping[str, Tensor]) -> dict[str, str]:
    """Return the name in the file of each expected tensor."""
    missing: list[list[str]] = []
    for prefix in _CHECKPOINT_PREFIXES:
        keys = {name: prefix + name for name in expected}
        for name, key in keys.items():
            old_key = next((key.replace(new, old) for new, old in _OLD_NAMES.items() if new in key), key)
            keys[name] = old_key if key not in stored else key
        missing.append(sorted(name for name, key in keys.items() if key not in stored))
        if not missing[-1]:
            return keys
    fewest = min(missing, key=len)
    raise ModelError(f"{path} lacks {len(fewest)} of the encoder's tensors, for example {fewest[0]}")
