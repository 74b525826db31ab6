"""A frozen encoder that a model names by the hash of its tensors instead of holding them."""

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
from pcqtool.model.pcq import PCQ
from pcqtool.model.safe_files import brief
from pcqtool.model.weights import FLOATS, learned, reading, to_half

PREFIX = "encoder.model."
"""Of the names of an encoder's tensors in ``PCQ``; the mix of its layers, which is ours, has another name."""

_NEVER_USED = "masked_spec_embed"  # what pre-training puts in place of masked frames; some checkpoints lack it
_POSITIONS = "embed_positions.weight"  # Whisper's, of which the first ones are used
_ABOVE = ("", "encoder.", "model.encoder.", "wavlm.", "wav2vec2.", "hubert.")  # a whole checkpoint, or under a head
_OLDER = {"parametrizations.weight.original0": "weight_g", "parametrizations.weight.original1": "weight_v"}


def name_encoder(model: PCQ, name: str) -> EncoderRef:
    """Name a network's encoder, so that it can be left out of a model directory.

    Raises:
        ModelError: if it has no pre-trained encoder, or one that was trained further, or the name can be none.
    """
    try:
        check_encoder_name(name)
    except ValueError as error:
        raise ModelError(str(error)) from error
    return EncoderRef(name, digest(used(foreign_encoder(model))))


def foreign_encoder(model: PCQ) -> PretrainedEncoder:
    """Give a network's encoder, which must be pre-trained and frozen.

    Raises:
        ModelError: if it is not.
    """
    check_foreign(model.config.encoder)
    if not isinstance(model.encoder, PretrainedEncoder):
        raise ModelError("the network's encoder is not the one of its configuration")
    return model.encoder


def check_foreign(encoder: EncoderConfig) -> None:
    """Check that an encoder can be named instead of held: it must be pre-trained and frozen.

    Raises:
        ModelError: if it is not.
    """
    if encoder.kind in ("none", "mini") or not encoder.frozen:
        raise ModelError(
            "only a frozen pre-trained encoder can be named instead of held",
            "Set frozen = true in the recipe's encoder, or keep its weights in the model's directory.",
        )


def used(encoder: PretrainedEncoder) -> dict[str, Tensor]:
    """Give the tensors that an encoder computes with: none of layers that are cut off, or of positions past 3 s.

    Their names are those of transformers' own class, so whole checkpoints and encoder halves, in single or in half
    precision, come to the same.

    Raises:
        ModelError: if one does not fit into half precision.
    """
    return to_half(_needed(encoder))


def _needed(encoder: PretrainedEncoder) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in learned(encoder.model).items() if name != _NEVER_USED}


def digest(tensors: Mapping[str, Tensor]) -> str:
    """Hash half-precision tensors: name, shape and little-endian bytes of each, in the order of their names."""
    hashed = hashlib.sha256()
    for name in sorted(tensors):
        values = tensors[name].numpy().astype("<f2", copy=False)
        hashed.update(f"{name} float16 {list(values.shape)}\n".encode())
        hashed.update(values.tobytes())
    return hashed.hexdigest()


def read_used(directory: Path, wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Read an encoder's tensors from its directory, those that are ``wanted`` and no others, in half precision.

    Raises:
        ModelError: if the file is missing or damaged, or a tensor is missing, misshapen or beyond half precision.
    """
    path = directory / WEIGHTS
    with reading(path), safe_open(path, framework="pt") as file:
        keys = _keys(path, set(file.keys()), wanted)
        for name, key in keys.items():
            _check_slice(path, name, file.get_slice(key), wanted[name])
        tensors = {
            name: file.get_slice(key)[: len(wanted[name])] if name == _POSITIONS else file.get_tensor(key)
            for name, key in keys.items()
        }
    try:
        return to_half(tensors)
    except ModelError as error:
        raise ModelError(f"{path}: {error.what}") from error


def _check_slice(path: Path, name: str, found: Any, wanted: Tensor) -> None:
    shape, kind = tuple(found.get_shape()), found.get_dtype()
    fits = shape[1:] == wanted.shape[1:] and len(wanted) <= shape[0] if name == _POSITIONS else shape == wanted.shape
    if not fits or kind not in FLOATS:
        raise ModelError(f"{path}: {name} is {kind} of shape {brief(shape)}")


def find_encoder(config: ModelConfig, model: PCQ, places: EncoderSearchPath) -> tuple[Path, dict[str, Tensor]]:
    """Find the encoder that a model names: its directory, and its tensors in half precision.

    Args:
        config: of the model, which must name one.
        model: the network, for what its encoder needs; its weights are not looked at.
        places: where to look.

    Raises:
        ModelError: if it is nowhere, or what is there has other tensors.
    """
    if (source := config.encoder_source) is None:
        raise ModelError(f"model {config.name} names no encoder")
    wanted = _needed(foreign_encoder(model))
    others = []
    for place in places.candidates(config):
        try:
            tensors = read_used(place, wanted)
        except ModelError as error:
            others.append(error.what)
            continue
        if (found := digest(tensors)) == source.sha256:
            return place, tensors
        others.append(f"the tensors in {place} hash to {found}")
    raise ModelError(
        f"model {config.name} needs the encoder {source.name} whose tensors hash to {source.sha256}, "
        f"but {'; '.join(others)}",
        remedy(source),
    )


def _keys(path: Path, there: set[str], wanted: Mapping[str, Tensor]) -> dict[str, str]:
    """Give the name in the file of each tensor that is wanted."""
    missing: list[list[str]] = []
    for above in _ABOVE:
        keys = {name: above + name for name in wanted}
        for name, key in keys.items():
            old = next((key.replace(new, was) for new, was in _OLDER.items() if new in key), key)
            keys[name] = old if key not in there else key
        lacking = sorted(name for name, key in keys.items() if key not in there)
        if not lacking:
            return keys
        missing.append(lacking)
    least = min(missing, key=len)
    raise ModelError(f"{path} lacks {len(least)} of the encoder's tensors, as {least[0]}")
