"""The registries of networks and encoders: built-in kinds and those of plugins; no torch until a class is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from pcqtool.errors import ModelError
from pcqtool.model.config import PluginRef
from pcqtool.plugins.registry import Registry

if TYPE_CHECKING:
    from pcqtool.model.encoders.base import Encoder
    from pcqtool.model.network import AnyNetwork

DEFAULT_KIND = "pcq"
"""The kind of a network whose settings name none."""

BUILT_IN_ENCODERS = ("none", "mini", "wavlm", "wav2vec2", "hubert", "whisper")
"""The kinds of encoders of this package; all but the first two are model types of transformers."""

_TIMEOUT_S = 180.0  # the first import of torch after a start of the machine may take a minute

NETWORKS: Registry[AnyNetwork] = Registry(
    "pcqtool.networks", "network", "pcqtool.model.conformance:network_problem", ModelError, _TIMEOUT_S
)
ENCODERS: Registry[Encoder] = Registry(
    "pcqtool.encoders", "encoder", "pcqtool.model.conformance:encoder_problem", ModelError, _TIMEOUT_S
)


@cache
def network_class(kind: str = DEFAULT_KIND) -> type[AnyNetwork]:
    """Return the class of a kind of network; a plugin is loaded once in a process.

    Raises:
        ModelError: if no network has this name (the hint lists all names), or its plugin is broken.
    """
    if kind == DEFAULT_KIND:  # without a search, which takes time
        from pcqtool.model.pcq import PCQ

        return PCQ
    return NETWORKS.load(kind)


@cache
def encoder_class(kind: str) -> type[Encoder]:
    """Return the class of a plugin's kind of encoder. Errors are those of ``network_class``."""
    return ENCODERS.load(kind)


def kind_of(network: Mapping[str, Any]) -> str:
    """Return the kind of a network, given its settings.

    Raises:
        ModelError: if it is not text.
    """
    kind = network.get("kind", DEFAULT_KIND)
    if not isinstance(kind, str):
        raise ModelError("the kind of a network must be text")
    return kind


def installed_plugins(network: Mapping[str, Any]) -> tuple[PluginRef, ...]:
    """Return the plugins that the network and the encoders of some settings come from; nothing is loaded."""
    wanted: list[tuple[Registry[Any], str]] = []
    if kind_of(network) != DEFAULT_KIND:
        wanted.append((NETWORKS, kind_of(network)))
    parts = (part for part in network.values() if isinstance(part, Mapping))
    wanted += [(ENCODERS, str(part["kind"])) for part in parts if part.get("kind", "none") not in BUILT_IN_ENCODERS]
    found = ((registry.group, kind, registry.version_of(kind)) for registry, kind in wanted)
    return tuple(PluginRef(group, kind, *origin) for group, kind, origin in found if origin is not None)
