"""Checks of the bundled models, their external encoders, and the plugins: corpora, networks and encoders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pcqtool.cli.checks.finding import Finding, fault, ok, warning
from pcqtool.errors import PcqtoolError

if TYPE_CHECKING:
    from pcqtool.plugins.registry import Registration


def bundled_model() -> list[Finding]:
    """Check that the default model exists and can be read, without torch."""
    from safetensors import SafetensorError, safe_open

    from pcqtool.model import directory

    check = "bundled model"
    remedy = "Install pcqtool again, or name another model with --model or PCQTOOL_MODEL."
    try:
        path = directory.find(None)
        config = directory.read_config(path)
        with safe_open(path / directory.WEIGHTS, framework="numpy") as weights:
            n_tensors = len(weights.keys())
    except PcqtoolError as error:
        return [fault(check, error.what, remedy)]
    except (OSError, SafetensorError) as error:
        return [fault(check, f"its weights cannot be read: {error}", remedy)]
    return [ok(check, f"{config.name}, {n_tensors} tensors, {', '.join(config.labels)}")]


def encoders() -> list[Finding]:
    """Check that the external encoders of the bundled models are on this machine.

    Only kind and width are compared. Comparing the tensors needs torch, which may be the very fault to be reported.
    """
    from pcqtool.model import directory
    from pcqtool.model.encoder_search import remedy

    findings = []
    for path in directory.bundled_models():
        config = directory.read_config(path)
        if (source := config.encoder_source) is None:
            continue
        check = f"encoder of {config.name}"
        try:
            found = next(directory.EncoderSearchPath().candidates(config))
        except PcqtoolError:
            findings.append(warning(check, f"{source.name} is not on this machine", remedy(source)))
        else:
            findings.append(ok(check, f"{source.name}, in {found}; its tensors are checked when it is used"))
    return findings


def corpora() -> list[Finding]:
    """Check each registered corpus; a plugin that cannot be loaded is a warning, since nothing else needs it."""
    from pcqtool.corpora import registry

    entries = registry.registered_corpora()
    if not entries:
        return [
            warning("corpora", "no corpus is registered", "Install pcqtool: pip install -e . in its source directory.")
        ]
    return [_plugin("corpus", entry) for entry in entries]


def networks() -> list[Finding]:
    """Check each network and encoder of a plugin; none is loaded in this process."""
    from pcqtool.model.registry import ENCODERS, NETWORKS

    found = [
        _plugin(registry.noun, entry)
        for registry in (NETWORKS, ENCODERS)
        for entry in registry.checked()
        if not entry.built_in
    ]
    return found or [ok("networks", "those of pcqtool, none of a plugin")]


def _plugin(noun: str, entry: Registration[Any]) -> Finding:
    if entry.error:
        return warning(
            f"{noun} {entry.name}", entry.error, f"Repair or uninstall {entry.distribution} {entry.version}."
        )
    return ok(f"{noun} {entry.name}", f"{entry.value} of {entry.distribution} {entry.version}")
