"""A full-size model with random weights whose labels still differ from segment to segment."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from benchmarks.sample import Sample, Waves
from pcqtool.model.directory import ModelConfig, save
from pcqtool.model.encoders import EncoderConfig
from pcqtool.model.network_settings import network_config_to_json
from pcqtool.model.pcq import PCQ, PCQConfig

LABELS = ("anger", "happiness", "neutral", "sadness")
N_FITTED = 64
"""Number of segments that the classifier is fitted to."""


def random_model(directory: Path, encoder: EncoderConfig, sample: Sample) -> Path:
    """Write a model around an encoder, by default of the base models' size, which is transformers' own.

    With random weights alone, every segment gets the same label, and any two computations would agree on it. So the
    classifier's last layer is fitted to part of the sample: see ``spread``.
    """
    network = PCQConfig(labels=LABELS, encoder=encoder)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = PCQ(network).eval()
    spread(model, sample.some(N_FITTED))
    config = ModelConfig(f"random-{encoder.kind}", LABELS, network_config_to_json(network))
    save(directory, config, model, {}, "Random weights.")
    return directory


@torch.inference_mode()
def spread(model: PCQ, segments: Waves) -> None:
    """Fit a PCQ's last linear layer so that its logits separate segments ``(S, N)`` as well as its weights allow.

    Each logit becomes a principal component of the layer's inputs, with zero mean and unit variance.
    """
    last: torch.nn.Linear = model.classifier[-1]  # type: ignore[assignment]
    inputs: list[Tensor] = []
    hook = last.register_forward_pre_hook(lambda _, arguments: inputs.append(arguments[0]))
    for start in range(0, len(segments), 8):
        model(torch.from_numpy(segments[start : start + 8]))
    hook.remove()
    hidden = torch.cat(inputs)
    mean = hidden.mean(0)
    _, sizes, directions = torch.linalg.svd(hidden - mean, full_matrices=False)
    n = min(last.out_features, len(hidden) - 1)  # there are no more components; the other logits stay 0
    last.weight.zero_()
    last.weight[:n] = directions[:n] / sizes[:n, None] * len(hidden) ** 0.5
    last.bias.copy_(-(last.weight @ mean))
