"""Allow-list of encoder settings: only these are passed from a model directory to transformers.

transformers' configurations accept any setting, and some make it fetch and run code.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

from pcqtool.audio.segment import SEGMENT_SAMPLES
from pcqtool.errors import ModelError
from pcqtool.model.setting_bounds import FLAG, Rule, check_rules, integer, list_of, number, one_of, optional
from pcqtool.model.untrusted_files import short_repr

_WIDTH, _HIDDEN, _LAYERS, _HEADS = integer(1, 8192), integer(1, 65536), integer(1, 128), integer(1, 256)
_FRACTION = number(0, 1)
_ACTIVATION = one_of(
    "gelu", "gelu_fast", "gelu_new", "gelu_python", "gelu_pytorch_tanh", "quick_gelu", "relu", "relu6", "silu", "swish",
    "tanh",
)  # fmt: skip

_SPEECH: dict[str, Rule] = {
    "hidden_size": _WIDTH,
    "num_hidden_layers": _LAYERS,
    "num_attention_heads": _HEADS,
    "intermediate_size": _HIDDEN,
    "hidden_act": _ACTIVATION,
    "hidden_dropout": _FRACTION,
    "activation_dropout": _FRACTION,
    "attention_dropout": _FRACTION,
    "feat_proj_dropout": _FRACTION,
    "layer_norm_eps": number(1e-12, 1),
    "feat_extract_norm": one_of("group", "layer"),
    "feat_extract_activation": _ACTIVATION,
    "conv_dim": list_of(_WIDTH, 16),
    "conv_stride": list_of(integer(1, 1000), 16),
    "conv_kernel": list_of(integer(1, 1000), 16),
    "conv_bias": FLAG,
    "num_conv_pos_embeddings": integer(1, 1024),
    "num_conv_pos_embedding_groups": integer(1, 8192),
    "do_stable_layer_norm": FLAG,
    "mask_time_prob": _FRACTION,  # decides whether the encoder has a mask vector
    "mask_feature_prob": _FRACTION,
}
_ADAPTED: dict[str, Rule] = {
    "add_adapter": FLAG,
    "adapter_kernel_size": integer(1, 64),
    "adapter_stride": integer(1, 64),
    "num_adapter_layers": integer(1, 16),
    "output_hidden_size": optional(_WIDTH),
}
RULES: dict[str, dict[str, Rule]] = {
    "wavlm": _SPEECH | _ADAPTED | {"num_buckets": integer(8, 4096), "max_bucket_distance": integer(8, 65536)},
    "wav2vec2": _SPEECH | _ADAPTED | {"adapter_attn_dim": optional(_WIDTH)},
    "hubert": _SPEECH | {"feat_proj_layer_norm": FLAG, "conv_pos_batch_norm": FLAG},
    "whisper": {
        "d_model": _WIDTH,
        "encoder_layers": _LAYERS,
        "encoder_attention_heads": _HEADS,
        "encoder_ffn_dim": _HIDDEN,
        "activation_function": _ACTIVATION,
        "dropout": _FRACTION,
        "attention_dropout": _FRACTION,
        "activation_dropout": _FRACTION,
        "num_mel_bins": integer(1, 512),
        "max_source_positions": integer(150, 15000),
        "scale_embedding": FLAG,
    },
}
"""Settings that affect an encoder's computation, by its kind."""

OWN_SETTINGS: dict[str, Rule] = {"standardised_input": FLAG}

_IGNORED = """
activation_dropout adapter_attn_dim adapter_kernel_size adapter_stride add_adapter apply_spec_augment architectures
begin_suppress_tokens bos_token_id chunk_size_feed_forward classifier_proj_size codevector_dim
contrastive_logits_temperature conv_pos_batch_norm ctc_loss_reduction ctc_zero_infinity decoder_attention_heads
decoder_ffn_dim decoder_layerdrop decoder_layers decoder_start_token_id diversity_loss_weight dtype
encoder_layerdrop eos_token_id feat_extract_dropout feat_proj_layer_norm feat_quantizer_dropout final_dropout
forced_decoder_ids freeze_feat_extract_train gradient_checkpointing hidden_dropout_prob id2label init_std
initializer_range is_decoder is_encoder_decoder label2id layerdrop mask_channel_length mask_channel_min_space
mask_channel_other mask_channel_prob mask_channel_selection mask_feature_length mask_feature_min_masks
mask_feature_prob mask_time_length mask_time_min_masks mask_time_min_space mask_time_other mask_time_prob
mask_time_selection max_bucket_distance max_length max_target_positions median_filter_width model_type
no_mask_channel_overlap no_mask_time_overlap num_adapter_layers num_buckets num_codevector_groups
num_codevectors_per_group num_ctc_classes num_feat_extract_layers num_hidden_layers num_negatives output_attentions
output_hidden_size output_hidden_states pad_token_id problem_type proj_codevector_dim replace_prob return_dict
suppress_tokens tdnn_dilation tdnn_dim tdnn_kernel tie_word_embeddings tokenizer_class torch_dtype
transformers_version use_cache use_weighted_layer_sum vocab_size xvector_output_dim
"""
"""Settings of training, decoders and heads, which encoder configurations contain too; their values are never used."""


def allowed_settings(kind: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a configuration that affect the encoder's computation.

    Raises:
        ModelError: if one has a value that is not permitted.
    """
    allowed = {name: value for name, value in settings.items() if name in RULES[kind]}
    try:
        check_rules(allowed, RULES[kind])
        if kind != "whisper":
            _check_front_end(allowed)
    except ValueError as error:
        raise ModelError(f"invalid settings of a {kind} encoder: {error}") from error
    return allowed


def check_architecture(kind: str, architecture: Mapping[str, Any]) -> dict[str, Any]:
    """Check the architecture in a model directory, and return the settings to pass to transformers.

    Raises:
        ModelError: if a setting is unknown, or has a value that is not permitted.
    """
    try:
        known = {*RULES[kind], *OWN_SETTINGS, *_IGNORED.split()}
        if unknown := [name for name in architecture if name not in known]:
            raise ValueError(f"unknown setting {short_repr(unknown[0])}")
        check_rules(architecture, OWN_SETTINGS | {"model_type": one_of(kind)})
    except ValueError as error:
        raise ModelError(f"invalid settings of a {kind} encoder: {error}") from error
    return allowed_settings(kind, architecture)


def _check_front_end(settings: Mapping[str, Any]) -> None:
    """Check the frame rate, on which the memory of attention depends."""
    kernels = settings.get("conv_kernel", (10, 3, 3, 3, 3, 2, 2))
    strides = settings.get("conv_stride", (5, 2, 2, 2, 2, 2, 2))
    receptive_field = 1 + sum((kernel - 1) * prod(strides[:number]) for number, kernel in enumerate(kernels))
    if not 80 <= prod(strides) <= 1600 or receptive_field > SEGMENT_SAMPLES // 10:
        raise ValueError("conv_kernel and conv_stride must make 10 to 200 frames a second, each of up to 0.3 s")
    if settings.get("max_bucket_distance", 800) < settings.get("num_buckets", 320):
        raise ValueError("max_bucket_distance must be no less than num_buckets")
