"""Numbers of parameters of a network and its parts (the paper's Table 3)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pcqtool.model.registry import DEFAULT_KIND, network_class

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import nn

    from pcqtool.model.network import AnyNetwork, NetworkConfig
    from pcqtool.model.pcq import PCQConfig

PAPER_CLASSES = ("anger", "happiness", "neutral", "sadness")
"""The four classes of IEMOCAP, which Table 3 is about."""


@dataclass(frozen=True)
class ParameterCount:
    """The number of weights of a network or one of its parts; ``paper`` is the number in Table 3, if it is there."""

    name: str
    weights: int | None
    paper: float | None = None


PAPER_TABLE = (ParameterCount("AlexNet", None, 2.47e6), ParameterCount("CA-MSER", None, 174.62e6))
"""The other networks of Table 3, with their authors' counts."""


def paper_network() -> PCQConfig:
    """Return the network of Table 3: all defaults, WavLM-base, four classes."""
    from transformers import WavLMConfig

    from pcqtool.model.encoders import EncoderConfig
    from pcqtool.model.pcq import PCQConfig

    return PCQConfig(PAPER_CLASSES, encoder=EncoderConfig("wavlm", WavLMConfig().to_diff_dict()))


def count_paper_parameters() -> list[ParameterCount]:
    """Count the parameters of the paper's network and its parts, with the paper's own numbers beside them."""
    published = {"PCQ": 97.99e6, "MLCNN": 0.092e6}
    return [replace(each, paper=published.get(each.name)) for each in count_parameters(paper_network())]


def count_parameters(network: NetworkConfig, kind: str = DEFAULT_KIND) -> list[ParameterCount]:
    """Count the parameters of a network, then of its parts, which add up to the network.

    Raises:
        ModelError: if the configuration is not valid, or no network is of this kind.
    """
    model = network_class(kind)(network)
    title = "PCQ" if kind == DEFAULT_KIND else kind
    parts: list[tuple[str, list[nn.Module]]] = [(title, [model]), *_parts(model).items()]
    return [ParameterCount(name, _n_parameters(modules)) for name, modules in parts]


def _parts(model: AnyNetwork) -> dict[str, list[nn.Module]]:
    from torch import nn

    from pcqtool.model.pcq import PCQ

    if not isinstance(model, PCQ):
        return {name: [part] for name, part in model.named_children() if _n_parameters([part])}
    parts: dict[str, list[nn.Module]] = {} if model.mlcnn is None else {"MLCNN": [model.mlcnn]}
    if model.encoder is not None:
        parts[f"encoder ({model.config.encoder.kind})"] = [model.encoder]
    if len(model.csq):
        parts[f"CSQ ({len(model.csq)} modules)"] = list(model.csq)
        if model.config.query == "projected":
            parts["query tokens"] = list(model.query)
        if model.gate is not None:
            parts["gates"] = [nn.ParameterList([model.gate])]
    if model.encoder is not None and model.mlcnn is not None:
        parts["attention (Q4)"] = [model.attention]
    return parts | {"classifier": [model.classifier]}


def _n_parameters(modules: Iterable[nn.Module]) -> int:
    return sum(weight.numel() for module in modules for weight in module.parameters())
