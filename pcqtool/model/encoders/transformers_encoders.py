"""Stock encoders of transformers: built from their settings alone, or read with their weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open

from pcqtool.errors import ModelError
from pcqtool.model.config import CONFIG
from pcqtool.model.encoder_search import nearby
from pcqtool.model.encoders.architecture import check_architecture, known
from pcqtool.model.safe_files import brief, read_json
from pcqtool.model.weights import reading

STOCK_KINDS = ("wavlm", "wav2vec2", "hubert", "whisper")
_NEVER_USED = {"masked_spec_embed"}  # what pre-training puts in place of masked frames
_HINT = (
    "Name a directory with config.json and model.safetensors, or one in a folder of encoders that PCQTOOL_ENCODERS "
    "names, or a Hub id while online."
)


def build_stock(kind: str, architecture: Mapping[str, Any]) -> Any:
    """Build an encoder with random weights; nothing is read.

    Raises:
        ModelError: if a setting is not known, or transformers cannot make an encoder of these.
    """
    from transformers import AutoModel
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    told = check_architecture(kind, architecture)
    stock: Any = AutoModel  # untyped
    try:
        with _quiet():
            settings: Any = CONFIG_MAPPING[kind](**told)
            return WhisperEncoder(settings) if kind == "whisper" else stock.from_config(settings)
    except Exception as error:  # its checks raise errors of many unrelated kinds
        raise ModelError(f"impossible settings of a {kind} encoder: {_brief(error)}") from error


def read_stock(source: str | Path) -> tuple[Any, dict[str, Any]]:
    """Read an encoder, in float32, with its settings; of Whisper's checkpoints, whole or not, the encoder half.

    Of its configuration, transformers is told what the encoder computes with, and nothing else. A name, or a Hub id,
    is looked for in the folders of ``PCQTOOL_ENCODERS`` first.

    Raises:
        ModelError: if it cannot be found, reached or used, or if weights are missing.
    """
    from transformers import AutoModel
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    source = nearby(source)
    _check_place(source)
    try:
        with _quiet():
            _check_network(source)
            entries = _read_configuration(source)
            kind = entries["model_type"]
            told = known(kind, entries)
            settings: Any = CONFIG_MAPPING[kind](**told)
            _check_size(source, kind, told)
            is_whisper = kind == "whisper"
            stock: Any = WhisperEncoder if is_whisper else AutoModel
            model, report = stock.from_pretrained(
                source,
                config=settings,
                dtype=torch.float32,
                use_safetensors=True,
                key_mapping={r"^(model\.)?encoder\.": ""} if is_whisper else None,
                output_loading_info=True,
            )
            standardised = not is_whisper and _standardised_input(source, settings)
    except ModelError as error:
        raise ModelError(f"cannot load the encoder {source}: {error.what}", _HINT) from error
    except Exception as error:  # of many unrelated kinds, as above
        raise ModelError(f"cannot load the encoder {source}: {_brief(error)}", _HINT) from error
    missing = sorted(set(report["missing_keys"]) - _NEVER_USED)
    if missing:
        raise ModelError(f"the encoder {source} is incomplete: {len(missing)} weights missing, as {missing[0]}", _HINT)
    return model, told | {"model_type": kind, "standardised_input": standardised}


def _read_configuration(source: str | Path) -> dict[str, Any]:
    from transformers.utils.hub import cached_file

    folder = Path(source)
    for file in (*folder.glob("*.json"), *folder.glob("*.safetensors")):
        if not file.is_file():
            raise ValueError(f"{file.name} is not a file")
    if folder.is_dir() and not (folder / CONFIG).exists():
        raise ValueError(f"it has no {CONFIG}")
    entries = read_json(folder / CONFIG if folder.is_dir() else Path(str(cached_file(source, CONFIG))))
    if not isinstance(entries, dict) or "model_type" not in entries:
        raise ValueError(f"{CONFIG} names no model_type")
    if entries["model_type"] not in STOCK_KINDS:
        raise ValueError(f"type {brief(entries['model_type'])} is none of {', '.join(STOCK_KINDS)}")
    return entries


def _check_size(source: str | Path, kind: str, settings: Mapping[str, Any]) -> None:
    """Check, before memory is taken, that a directory can hold the weights, of a byte or more each."""
    n_bytes = 0
    for file in Path(source).glob("*.safetensors"):
        with reading(file), safe_open(file, framework="pt"):
            n_bytes += file.stat().st_size
    with torch.device("meta"):
        n_weights = sum(each.numel() for each in build_stock(kind, settings).parameters())
    if n_bytes and n_weights > n_bytes:
        raise ValueError(f"its settings want {n_weights} weights, and its files have {n_bytes} bytes")


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep bars and reports off stderr meanwhile: what matters in them becomes a ``ModelError``."""
    from transformers.utils import logging as untyped

    logging: Any = untyped
    bars, verbosity = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


def _check_place(source: str | Path) -> None:
    """Tell a missing directory from what may be a Hub id."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

    try:
        validate_repo_id(str(source))
        may_be_id = isinstance(source, str)
    except HFValidationError:
        may_be_id = False
    if not may_be_id and not Path(source).is_dir():
        raise ModelError(f"cannot load the encoder {source}: there is no such directory", _HINT)


def _check_network(source: str | Path) -> None:
    """Tell at once that an id cannot be had, which transformers tries for half a minute."""
    from huggingface_hub import model_info, try_to_load_from_cache

    if not Path(source).is_dir() and not isinstance(try_to_load_from_cache(str(source), CONFIG), str):
        model_info(str(source), timeout=10)


def _standardised_input(source: str | Path, settings: Any) -> bool:
    """Say whether the encoder wants each segment at zero mean and unit variance."""
    from transformers import Wav2Vec2FeatureExtractor

    try:
        entries, _ = Wav2Vec2FeatureExtractor.get_feature_extractor_dict(source)
    except OSError:  # there is none: large models, with layer normalisation, want it, most base ones do not
        return getattr(settings, "feat_extract_norm", "") == "layer"
    return bool(entries.get("do_normalize", True))


def _brief(error: Exception) -> str:
    """Give the first line that says something; transformers' texts go on for many."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    return " ".join(lines[:2]) if lines[0].endswith(":") else lines[0]
