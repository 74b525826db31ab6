"""Checks of torch and torchaudio: import, matching versions, devices, and correct results of optimisations."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from pcqtool.cli.checks import torch_probe
from pcqtool.cli.checks.dependencies import requirements
from pcqtool.cli.checks.finding import Finding, fault, ok, warning

CPU_INDEX = "https://download.pytorch.org/whl/cpu"
LIMIT_S = 180
LARGEST_DIFFERENCE = 0.01
"""Of a probability, between the runtimes."""


def pytorch() -> list[Finding]:
    """Run the probe in its own process and interpret its results."""
    facts = run_probe()
    torch, devices, torchaudio = (facts.get(step, {}) for step in ("torch", "devices", "torchaudio"))
    findings = [_torch(torch)]
    if "version" in torch:
        findings.append(_torchaudio(torchaudio, torch))
        findings += _devices(devices, torch)
        if "error" not in torchaudio:
            findings += [_optimisations(facts["optimisations"]), _runtime(facts["runtime"])]
    return findings


def run_probe() -> dict[str, dict[str, Any]]:
    """Run the probe and return the facts of each step; a step that failed or ended the process has an ``error``."""
    try:
        done = subprocess.run(
            [sys.executable, "-P", str(Path(torch_probe.__file__))],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return {"torch": {"error": f"the import did not finish within {LIMIT_S} s"}}
    facts = {}
    for line in done.stdout.splitlines():
        if line.startswith('{"step"'):
            step = json.loads(line)
            facts[step["step"]] = step
    for missing in ("torch", "devices", "torchaudio", "optimisations", "runtime"):
        facts.setdefault(missing, {"error": f"the import ended the process with code {done.returncode}"})
    return facts


def reinstall(*, cpu: bool) -> str:
    """Return the command that installs a matching pair: for the CPU only, or PyPI's CUDA build."""
    pair = " ".join(f'"{each.name}{each.specifier}"' for each in requirements() if each.name in ("torch", "torchaudio"))
    return f"pip install --force-reinstall {pair or 'torch torchaudio'}" + (f" --index-url {CPU_INDEX}" if cpu else "")


def _both_commands(first_cpu: bool) -> str:
    """Return the commands for both kinds of machine, the likelier one first."""
    commands = [f"Without a GPU: {reinstall(cpu=True)}", f"With an NVIDIA GPU: {reinstall(cpu=False)}"]
    return "\n".join(commands if first_cpu else commands[::-1])


def _torch(facts: dict[str, Any]) -> Finding:
    check = "torch import"
    if "error" in facts:
        return fault(check, facts["error"], _both_commands(first_cpu=True))
    return ok(check, f"{facts['version']}, {_build(facts)}")


def _build(torch: dict[str, Any]) -> str:
    if torch.get("cuda"):
        return f"built for CUDA {torch['cuda']}"
    return f"built for ROCm {torch['hip']}" if torch.get("hip") else "built for the CPU only"


def _torchaudio(facts: dict[str, Any], torch: dict[str, Any]) -> Finding:
    check = "torchaudio import"
    if "error" not in facts:
        return ok(check, f"{facts['version']}, fits torch")
    found = f"does not load beside torch {torch['version']} ({_build(torch)}): {facts['error']}"
    return fault(
        check,
        found,
        "torch and torchaudio must come from one index.\n" + _both_commands(first_cpu=not torch.get("cuda")),
    )


def _devices(facts: dict[str, Any], torch: dict[str, Any]) -> list[Finding]:
    if "error" in facts:
        return [fault("devices", facts["error"], _both_commands(first_cpu=not torch.get("cuda")))]
    return [_gpu(facts, torch), _cpu(facts)]


def _gpu(facts: dict[str, Any], torch: dict[str, Any]) -> Finding:
    gpus = [f"cuda:{i} {gpu['name']}, {gpu['memory_gib']:.1f} GiB" for i, gpu in enumerate(facts["cuda"])]
    if facts["mps"]:
        gpus.append("mps (Apple GPU)")
    if gpus:
        return ok("GPU", "; ".join(gpus))
    if not facts["driver"]:
        return ok("GPU", "none; the CPU is used")
    if not torch.get("cuda"):
        return warning("GPU", "an NVIDIA driver is installed, but torch is built without CUDA", reinstall(cpu=False))
    return warning(
        "GPU",
        f"an NVIDIA driver is installed, but torch finds no usable GPU: {facts['complaint'] or 'no reason given'}",
        f"Update the driver to one for CUDA {torch['cuda']}, and check that CUDA_VISIBLE_DEVICES is not empty.",
    )


def _cpu(facts: dict[str, Any]) -> Finding:
    bf16 = ", ".join(facts["bf16"]) or "no"
    return ok(
        "CPU",
        f"{facts['cores']} cores, {facts['threads']} torch threads, {facts['capability']}, bfloat16 units: {bf16}",
    )


def _optimisations(facts: dict[str, Any]) -> Finding:
    check = "optimisations"
    if "error" in facts:
        return fault(check, facts["error"], "Repair the faults above first; then run pcqtool doctor again.")
    if rejected := facts["rejected"]:
        return warning(
            check,
            f"this machine computes wrongly: {', '.join(rejected)}",
            "Nothing needs to be done: encoders are verified when they are loaded, and do not use these optimisations.",
        )
    return ok(check, "optimised encoders agree with plain float32")


def _runtime(facts: dict[str, Any]) -> Finding:
    check = "OpenVINO"
    if "error" in facts:
        return fault(check, facts["error"], "pip install --force-reinstall openvino; or label with --runtime torch.")
    found = f"probabilities of the default model differ from torch's by at most {facts['difference']:.1g}"
    if facts["difference"] <= LARGEST_DIFFERENCE:
        return ok(check, found)
    return warning(check, found, "Label with --runtime torch; a settings file can contain it.")
