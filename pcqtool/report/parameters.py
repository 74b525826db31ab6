"""How many weights each part of a network has (the paper's Table 3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import nn

    from pcqtool.model.pcq import PCQ, PCQConfig

PAPER_CLASSES = ("anger", "happiness", "neutral", "sadness")
"""IEMOCAP's four, for which Table 3 counts."""


@dataclass(frozen=True)
class Part:
    """A network or a part of it, and its weights; ``paper`` is what Table 3 gives, where it gives it."""

    name: str
    weights: int | None
    paper: float | None = None


PAPER_TABLE = (Part("AlexNet", None, 2.47e6), Part("CA-MSER", None, 174.62e6))
"""What Table 3 compares with; its authors' counts."""


def paper_network() -> PCQConfig:
    """Give the network of Table 3: all defaults, WavLM-base, four classes."""
    from transformers import WavLMConfig

    from pcqtool.model.encoders import EncoderConfig
    from pcqtool.model.pcq import PCQConfig

    return PCQConfig(PAPER_CLASSES, encoder=EncoderConfig("wavlm", WavLMConfig().to_diff_dict()))


def count_paper() -> list[Part]:
    """Count the paper's network, part by part, next to what the paper says."""
    said = {"PCQ": 97.99e6, "MLCNN": 0.092e6}
    return [Part(part.name, part.weights, said.get(part.name)) for part in count(paper_network())]


def count(network: PCQConfig) -> list[Part]:
    """Count a network's weights: the whole, then its parts, which add up to it.

    Raises:
        ModelError: if the settings describe no network.
    """
    from pcqtool.model.pcq import PCQ

    model = PCQ(network)
    return [Part("PCQ", _weights([model])), *(Part(name, _weights(parts)) for name, parts in _parts(model).items())]


def _parts(model: PCQ) -> dict[str, list[nn.Module]]:
    parts: dict[str, list[nn.Module]] = {} if model.mlcnn is None else {"MLCNN": [model.mlcnn]}
    if model.encoder is not None:
        parts[f"encoder ({model.config.encoder.kind})"] = [model.encoder]
    if len(model.csq):
        parts[f"CSQ ({len(model.csq)} modules)"] = list(model.csq)
    if model.encoder is not None and model.mlcnn is not None:
        parts["attention (Q4)"] = [model.attention]
    return parts | {"classifier": [model.classifier]}


def _weights(modules: Iterable[nn.Module]) -> int:
    return sum(weight.numel() for module in modules for weight in module.parameters())
