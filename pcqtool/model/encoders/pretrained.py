"""Pre-trained encoders of transformers: WavLM, wav2vec 2.0, HuBERT, and the encoder half of Whisper."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor, nn
from torch.nn import functional

from pcqtool.audio.segment import SEGMENT_SAMPLES
from pcqtool.errors import ModelError
from pcqtool.model.config import CONFIG
from pcqtool.model.encoder_search import resolve_local
from pcqtool.model.encoders.allowed_settings import allowed_settings, check_architecture
from pcqtool.model.encoders.base import Encoder, EncoderConfig
from pcqtool.model.encoders.compiled import CompiledEncoder, compile_verified
from pcqtool.model.encoders.fast_inference import (
    fast_paths,
    keep_narrow_convolutions_exact,
    narrow_convolutions,
    reduced_precision,
)
from pcqtool.model.encoders.logmel import LogMel
from pcqtool.model.encoders.verified_optimisation import SHORT_PROBE_SAMPLES, apply_verified, probe_waves
from pcqtool.model.untrusted_files import read_json, short_repr
from pcqtool.model.weight_files import checked_file

HF_KINDS = ("wavlm", "wav2vec2", "hubert", "whisper")
UNUSED_WEIGHT = "masked_spec_embed"  # pre-training puts it in place of masked frames; some checkpoints lack it
COMPILED = "OpenVINO's graph of the encoder"
WHISPER_FRAMES = 150  # of a 3 s segment: hop of 10 ms, and a stride of 2 in the second convolution

_log = logging.getLogger(__name__)
_VARIANCE_EPS = 1e-7  # of transformers' Wav2Vec2FeatureExtractor
_HINT = (
    "Name a directory with config.json and model.safetensors, or one in a folder of encoders that PCQTOOL_ENCODERS "
    "names, or a Hub id while online."
)


class PretrainedEncoder(Encoder):
    """An encoder of transformers without the layers above the highest one used; Whisper's input is cut to 3 s.

    Args:
        config: architecture and layers.
        model: an encoder of transformers; without it, one with random weights is built, whose weights are to be
            replaced by those of a model directory.
    """

    is_pretrained = True

    def __init__(self, config: EncoderConfig, model: Any = None) -> None:
        super().__init__(config)
        self.model = build_hf_encoder(config.kind, config.architecture) if model is None else model
        self.compiled: CompiledEncoder | None = None
        settings = self.model.config
        is_whisper = config.kind == "whisper"
        self.dim = settings.d_model if is_whisper else settings.hidden_size
        self.n_layers = settings.encoder_layers if is_whisper else settings.num_hidden_layers
        self.standardised = bool(config.architecture.get("standardised_input", False))
        if is_whisper:
            self.mel = LogMel(settings.num_mel_bins)
            self.model.layerdrop = 0.0
            _cut_positions(self.model)
        else:
            # Masking belongs to pre-training and to transformers' own fine-tuning, not to this model's training.
            settings.apply_spec_augment = False
            settings.layerdrop = 0.0
        keep_narrow_convolutions_exact(self.model)
        _cut_layers(self.model if is_whisper else self.model.encoder, max(self.layer_indices()), self.n_layers)

    def front_end(self, waves: Tensor) -> Tensor:
        """Compute Whisper's log-mel frames, or standardise the waves if the encoder requires it."""
        if self.config.kind == "whisper":
            frames: Tensor = self.mel(waves)
            return frames
        return functional.layer_norm(waves, waves.shape[-1:], eps=_VARIANCE_EPS) if self.standardised else waves

    def use_layer(self, layer: int) -> None:
        """Output a single hidden state from now on.

        Raises:
            ModelError: if the encoder has no such layer, or is compiled.
        """
        if self.compiled is not None:
            raise ModelError("the layers of a compiled encoder are fixed", "Choose them before optimise_for_inference.")
        super().use_layer(layer)

    def hidden_states(self, encoder_input: Tensor) -> list[Tensor]:
        """Run the encoder once and select its hidden states."""
        if self.compiled is not None:
            return self.compiled(encoder_input)
        output = self.model(encoder_input, output_hidden_states=True)
        return [output.hidden_states[index].to(encoder_input.dtype) for index in self.layer_indices()]

    def optimise_for_inference(self, dtype: torch.dtype) -> tuple[str, ...]:
        """Compile the encoder on a processor, use faster code on a GPU, and compute in ``dtype``.

        The frames keep the dtype of the input. The outputs for a short signal are compared with the original ones;
        optimisations that change them are rejected. A compiled encoder has no torch weights: it cannot be copied or
        saved, and stays on the processor.
        """
        if self.compiled is not None:
            return ()
        rejected = self._compile(dtype) if self.model.device.type == "cpu" else ()
        if self.compiled is not None:
            return ()
        exact = dtype == torch.float32 and self.config.kind != "whisper"
        n_samples = SHORT_PROBE_SAMPLES if exact else SEGMENT_SAMPLES
        optimisations = [*fast_paths(self.model), *reduced_precision(self.model, dtype)]
        encode = lambda: self.encode(probe_waves(n_samples).to(self.model.device))  # noqa: E731
        return rejected + apply_verified(optimisations, encode)

    def _compile(self, dtype: torch.dtype) -> tuple[str, ...]:
        """Replace the torch model by a compiled one; return its name if that fails."""
        if dtype != torch.float32 and narrow_convolutions(self.model):
            return ()  # OpenVINO has one precision for all
        try:
            with _quiet():
                self.compiled = compile_verified(self, dtype)
        except MemoryError:
            raise
        except Exception as error:  # of tracing, converting, compiling: of many unrelated kinds
            _log.debug("OpenVINO does not compute the encoder: %s", error)
            return (COMPILED,)
        self.model = None
        return ()


def load_pretrained(
    source: str | Path, layers: tuple[int, ...] = (-1,), frozen: bool = False, concat_layers: bool = False
) -> PretrainedEncoder:
    """Load an encoder with its weights from a directory or the Hugging Face Hub, in evaluation mode.

    Args:
        source: directory or Hub id.
        layers: the hidden states used.
        frozen: do not train the encoder.
        concat_layers: concatenate several layers instead of mixing them.

    Raises:
        ModelError: if it cannot be found, reached or used, or if weights are missing.
    """
    model, architecture = load_hf_encoder(source)
    config = EncoderConfig(model.config.model_type, architecture, tuple(layers), frozen, concat_layers)
    encoder = PretrainedEncoder(config, model).eval()
    return encoder.freeze() if frozen else encoder


def build_hf_encoder(kind: str, architecture: Mapping[str, Any]) -> Any:
    """Build an encoder of transformers with random weights, without reading any file.

    Raises:
        ModelError: if a setting is unknown, or transformers cannot build an encoder with these settings.
    """
    allowed = check_architecture(kind, architecture)
    settings_class, model_class = _hf_classes(kind)
    try:
        with _quiet():
            settings = settings_class(**allowed)
            return model_class(settings) if kind == "whisper" else model_class.from_config(settings)
    except Exception as error:  # its checks raise errors of many unrelated kinds
        raise ModelError(f"invalid settings of a {kind} encoder: {_first_line(error)}") from error


def load_hf_encoder(source: str | Path) -> tuple[Any, dict[str, Any]]:
    """Load an encoder of transformers in float32 with its settings; only the encoder half of a Whisper checkpoint.

    Only the settings that affect the encoder's computation are passed to transformers. A name or Hub id is first
    looked up in the folders of ``PCQTOOL_ENCODERS``.

    Raises:
        ModelError: if it cannot be found, reached or used, or if weights are missing.
    """
    source = resolve_local(source)
    _check_source(source)
    try:
        with _quiet():
            _check_reachable(source)
            entries = _read_settings(source)
            kind = entries["model_type"]
            allowed = allowed_settings(kind, entries)
            settings_class, model_class = _hf_classes(kind)
            settings = settings_class(**allowed)
            _check_size(source, kind, allowed)
            is_whisper = kind == "whisper"
            model, report = model_class.from_pretrained(
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
        raise ModelError(f"cannot load the encoder {source}: {_first_line(error)}", _HINT) from error
    missing = sorted(set(report["missing_keys"]) - {UNUSED_WEIGHT})
    if missing:
        lack = f"lacks {len(missing)} of its weights, for example {missing[0]}"
        raise ModelError(f"the encoder {source} {lack}", _HINT)
    return model, allowed | {"model_type": kind, "standardised_input": standardised}


def _hf_classes(kind: str) -> tuple[Any, Any]:
    from transformers import AutoModel
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    return CONFIG_MAPPING[kind], WhisperEncoder if kind == "whisper" else AutoModel


def _cut_layers(stack: Any, top: int, n_layers: int) -> None:
    """Remove the layers above ``top``; without the last layer, the final normalisation is removed too.

    If the final normalisation precedes the first layer (post-norm WavLM, HuBERT, wav2vec 2.0), it is kept.
    One layer always stays, since transformers records the first layer's input when that layer is called.
    """
    if top == n_layers:
        return
    stack.layers = stack.layers[: max(1, top)]
    final_norm = type(stack).__name__.startswith("Whisper") or "StableLayerNorm" in type(stack).__name__
    if final_norm:
        stack.layer_norm = nn.Identity()


def _cut_positions(model: Any) -> None:
    """Cut the position embeddings of a ``WhisperEncoder`` to 3 s, so that it need not compute 30 s."""
    table = model.embed_positions.weight[:WHISPER_FRAMES].clone()
    model.embed_positions = nn.Embedding(table.shape[0], table.shape[1], _weight=table, _freeze=True)
    model.max_source_positions = model.config.max_source_positions = len(table)


def _read_settings(source: str | Path) -> dict[str, Any]:
    from transformers.utils.hub import cached_file

    folder = Path(source)
    for file in (*folder.glob("*.json"), *folder.glob("*.safetensors")):
        if not file.is_file():
            raise ValueError(f"{file.name} is not a regular file")
    if folder.is_dir() and not (folder / CONFIG).exists():
        raise ValueError(f"it has no {CONFIG}")
    entries = read_json(folder / CONFIG if folder.is_dir() else Path(str(cached_file(source, CONFIG))))
    if not isinstance(entries, dict) or "model_type" not in entries:
        raise ValueError(f"{CONFIG} has no model_type")
    if entries["model_type"] not in HF_KINDS:
        raise ValueError(f"model_type must be one of {', '.join(HF_KINDS)}, not {short_repr(entries['model_type'])}")
    return entries


def _check_size(source: str | Path, kind: str, settings: Mapping[str, Any]) -> None:
    """Check that the files are large enough for the weights (at least one byte each) before memory is allocated."""
    n_bytes = 0
    for file in Path(source).glob("*.safetensors"):
        with checked_file(file), safe_open(file, framework="pt"):
            n_bytes += file.stat().st_size
    with torch.device("meta"):
        n_weights = sum(each.numel() for each in build_hf_encoder(kind, settings).parameters())
    if n_bytes and n_weights > n_bytes:
        raise ValueError(f"its settings need {n_weights} weights, but its files have only {n_bytes} bytes")


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppress transformers' progress bars and reports on stderr; the relevant ones become a ``ModelError``."""
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


def _check_source(source: str | Path) -> None:
    """Check that a source is a directory or may be a Hub id."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

    try:
        validate_repo_id(str(source))
        may_be_id = isinstance(source, str)
    except HFValidationError:
        may_be_id = False
    if not may_be_id and not Path(source).is_dir():
        raise ModelError(f"cannot load the encoder {source}: no such directory", _HINT)


def _check_reachable(source: str | Path) -> None:
    """Fail immediately if a Hub id cannot be fetched; transformers would retry for half a minute."""
    from huggingface_hub import model_info, try_to_load_from_cache

    if not Path(source).is_dir() and not isinstance(try_to_load_from_cache(str(source), CONFIG), str):
        model_info(str(source), timeout=10)


def _standardised_input(source: str | Path, settings: Any) -> bool:
    """Return whether the encoder expects segments of zero mean and unit variance."""
    from transformers import Wav2Vec2FeatureExtractor

    try:
        entries, _ = Wav2Vec2FeatureExtractor.get_feature_extractor_dict(source)
    except OSError:  # no such file: large models with layer normalisation expect it, most base models do not
        return getattr(settings, "feat_extract_norm", "") == "layer"
    return bool(entries.get("do_normalize", True))


def _first_line(error: Exception) -> str:
    """Return the first informative line of an error; transformers' messages have many lines."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    return " ".join(lines[:2]) if lines[0].endswith(":") else lines[0]
