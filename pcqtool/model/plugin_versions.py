"""The plugins of a model: whether this machine has them, and in which version; nothing is loaded."""

from __future__ import annotations

import logging
from importlib.metadata import PackageNotFoundError, version

from pcqtool.errors import ModelError
from pcqtool.model.config import ModelConfig
from pcqtool.model.registry import ENCODERS, NETWORKS

_log = logging.getLogger(__name__)


def check_plugins(config: ModelConfig) -> None:
    """Check that the plugins of a model's network and encoder are installed; another version is logged.

    Raises:
        ModelError: if one is not; the hint is the command that installs it.
    """
    registries = {each.group: each for each in (NETWORKS, ENCODERS)}
    for plugin in config.plugins:
        registry = registries.get(plugin.group)
        installed = None if registry is None else registry.version_of(plugin.name)
        noun = "plugin" if registry is None else registry.noun
        if installed is None or _normal(installed[0]) != _normal(plugin.distribution):
            raise ModelError(
                f"model {config.name} needs the {noun} {plugin.name!r} of {plugin.distribution} {plugin.version}, "
                "which is not installed",
                f"pip install {plugin}",
            )
        if installed[1] != plugin.version:
            _log.warning(
                "model %s was made with %s %s, and %s is installed: results may differ",
                *(config.name, plugin.distribution, plugin.version, installed[1]),
            )


def plugins_in_use(config: ModelConfig) -> list[str]:
    """Return distribution and installed version of each of a model's plugins, for the provenance of results."""
    found = []
    for plugin in config.plugins:
        try:
            found.append(f"{plugin.distribution}=={version(plugin.distribution)}")
        except PackageNotFoundError:
            found.append(str(plugin))
    return found


def _normal(distribution: str) -> str:
    return distribution.lower().replace("_", "-").replace(".", "-")
