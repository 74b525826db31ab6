"""emotion2vec+ base in FunASR, in the layout of ``emotion2vec/emotion2vec_plus_base``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.peers.programs import Loaded

LABELS = ("angry", "disgusted", "fearful", "happy", "neutral", "other", "sad", "surprised", "unknown")
_NO_DROPPING = {"start_drop_path_rate": 0.0, "end_drop_path_rate": 0.0}
AUDIO = {
    "type": "AUDIO",
    "extractor_mode": "layer_norm",
    "feature_encoder_spec": "[(512, 10, 5)] + [(512, 3, 2)] * 4 + [(512, 2, 2)] * 2",
    "local_grad_mult": 1.0,
    "conv_pos_width": 95,
    "conv_pos_groups": 16,
    "conv_pos_depth": 5,
    "conv_pos_pre_ln": False,
    "num_extra_tokens": 10,
    "init_extra_token_zero": True,
    "use_alibi_encoder": True,
    "alibi_scale": 1.0,
    "alibi_max_pos": None,
    "learned_alibi": False,
    "learned_alibi_scale": True,
    "learned_alibi_scale_per_head": True,
    "learned_alibi_scale_per_layer": False,
    "num_alibi_heads": 12,
    "prenet_depth": 4,
    "prenet_layerdrop": 0.0,
    "prenet_dropout": 0.0,
    "model_depth": 8,
    "decoder": None,  # only for pre-training
    **_NO_DROPPING,
}
NETWORK = {
    "depth": 8,
    "embed_dim": 768,
    "num_heads": 12,
    "mlp_ratio": 4.0,
    "norm_eps": 1e-5,
    "norm_affine": True,
    "layer_norm_first": False,
    "end_of_block_targets": False,
    "normalize": True,
    "encoder_dropout": 0.0,
    "post_mlp_drop": 0.0,
    "attention_dropout": 0.0,
    "activation_dropout": 0.0,
    "dropout_input": 0.0,
    "modalities": {"audio": AUDIO},
    **_NO_DROPPING,
}


def make(kind: str, folder: Path) -> None:
    """Write random weights of the base size, labels and settings."""
    import torch
    from funasr.models.emotion2vec.model import Emotion2vec

    folder.mkdir(parents=True)
    model = Emotion2vec(model_conf=NETWORK, vocab_size=len(LABELS))
    torch.save({"model": model.state_dict()}, folder / "model.pt")
    (folder / "tokens.txt").write_text("\n".join(LABELS) + "\n", encoding="utf-8")
    settings = {
        "model": "Emotion2vec",
        "model_conf": NETWORK,
        "tokenizer": "CharTokenizer",
        "tokenizer_conf": {"unk_symbol": LABELS[-1]},
    }
    (folder / "config.yaml").write_text(json.dumps(settings), encoding="utf-8")  # JSON is YAML


def load(kind: str, folder: Path, n_cores: int) -> Loaded:
    """Load the model as its documentation does, from a folder in place of the hub's name."""
    from funasr import AutoModel

    options = {"device": "cpu", "ncpu": n_cores, "disable_update": True, "disable_pbar": True}
    model: Any = AutoModel(model=str(folder), **options)
    return Loaded(
        lambda paths: model.generate(list(paths), granularity="utterance", extract_embedding=False),
        ("funasr", "torch"),
        sum(each.numel() for each in model.model.parameters()),
    )
