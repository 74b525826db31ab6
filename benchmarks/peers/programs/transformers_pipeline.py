"""transformers' pipeline for audio classification, one recording at a time, as its documentation advises on a CPU.

The kind is ``whisper``, a classifier on the encoder of Whisper-base, or ``hubert``, a model of the layout of
``superb/hubert-base-superb-er``. The pipeline pads recordings to 30 s for Whisper, and leaves their length for HuBERT.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.peers.programs import Loaded

N_LABELS = 4
WHISPER_BASE = {
    "d_model": 512,
    "encoder_layers": 6,
    "encoder_attention_heads": 8,
    "encoder_ffn_dim": 2048,
    "decoder_layers": 6,
    "decoder_attention_heads": 8,
    "decoder_ffn_dim": 2048,
}


def make(kind: str, folder: Path) -> None:
    """Write a model with random weights, and its feature extractor."""
    import transformers

    hf: Any = transformers
    if kind == "whisper":
        extractor = hf.WhisperFeatureExtractor()
        model = hf.WhisperForAudioClassification(hf.WhisperConfig(**WHISPER_BASE, num_labels=N_LABELS))
    else:  # the sizes of the base model are HubertConfig's defaults
        extractor = hf.Wav2Vec2FeatureExtractor(do_normalize=True)
        config = hf.HubertConfig(num_labels=N_LABELS, use_weighted_layer_sum=True)
        model = hf.HubertForSequenceClassification(config)
    model.save_pretrained(folder)
    extractor.save_pretrained(folder)


def load(kind: str, folder: Path, n_cores: int) -> Loaded:
    """Load the pipeline; soundfile decodes, which is faster than the pipeline's own call of the ffmpeg program."""
    import soundfile
    import torch
    from transformers import pipeline

    torch.set_num_threads(n_cores)
    classify: Any = pipeline("audio-classification", model=str(folder), device="cpu")

    def decoded(paths: Sequence[str]) -> Iterator[dict[str, Any]]:
        for path in paths:
            wave, rate = soundfile.read(path, dtype="float32", always_2d=True)
            yield {"raw": wave.mean(axis=1), "sampling_rate": rate}

    return Loaded(
        lambda paths: list(classify(decoded(paths))),
        ("transformers", "torch"),
        sum(each.numel() for each in classify.model.parameters()),
    )
