"""The models inside the package, the encoders that they name, and the corpora that are registered."""

from __future__ import annotations

from pcqtool.cli.checks.finding import Finding, fault, ok, warning
from pcqtool.errors import PcqtoolError


def bundled_model() -> list[Finding]:
    """Check that the model inside the package is there and whole, without torch."""
    from safetensors import SafetensorError, safe_open

    from pcqtool.model import directory

    check = "bundled model"
    remedy = "Install pcqtool again, or name another model with --model or PCQTOOL_MODEL."
    try:
        place = directory.find(None)
        config = directory.read_config(place)
        with safe_open(place / directory.WEIGHTS, framework="numpy") as weights:
            n_tensors = len(weights.keys())
    except PcqtoolError as error:
        return [fault(check, error.what, remedy)]
    except (OSError, SafetensorError) as error:
        return [fault(check, f"its weights cannot be read: {error}", remedy)]
    return [ok(check, f"{config.name}, {n_tensors} tensors, {', '.join(config.labels)}")]


def encoders() -> list[Finding]:
    """Look for the encoder that a bundled model names and does not hold; without it that one model cannot be used.

    Kind and width are compared, not the tensors: that takes torch, which the faults above may have to do with.
    """
    from pcqtool.model import directory
    from pcqtool.model.encoder_search import remedy

    findings = []
    for place in directory.bundled_models():
        config = directory.read_config(place)
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
    """Check each registered corpus; a plugin that does not load is a warning, since nothing else needs it."""
    from pcqtool.corpora import registry

    entries = registry.available()
    if not entries:
        return [warning("corpora", "none is registered", "Install pcqtool: pip install -e . in its source directory.")]
    return [
        warning(f"corpus {entry.name}", entry.error, f"Repair or uninstall {entry.distribution} {entry.version}.")
        if entry.error
        else ok(f"corpus {entry.name}", f"{entry.value} of {entry.distribution} {entry.version}")
        for entry in entries
    ]
