"""A strict parser of Prometheus's text exposition format, version 0.0.4."""

from __future__ import annotations

import re

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"'
SAMPLE = re.compile(rf"({NAME})(?:\{{({LABEL}(?:,{LABEL})*)\}})? (\S+)")
TYPES = {"counter", "gauge", "histogram", "summary", "untyped"}

Samples = dict[str, dict[tuple[tuple[str, str], ...], float]]


def parse(text: str) -> Samples:
    """Return the values by metric and labels; every metric has one HELP and one TYPE line before its samples."""
    assert text.endswith("\n")
    found: Samples = {}
    current, typed = "", ""
    for line in text.removesuffix("\n").split("\n"):
        if line.startswith("# HELP "):
            current, _, help_text = line.removeprefix("# HELP ").partition(" ")
            assert re.fullmatch(NAME, current)
            assert help_text
            assert current not in found
            found[current] = {}
        elif line.startswith("# TYPE "):
            typed, _, kind = line.removeprefix("# TYPE ").partition(" ")
            assert typed == current
            assert kind in TYPES
        else:
            match = SAMPLE.fullmatch(line)
            assert match, line
            assert match[1] == current == typed
            pairs = re.findall(LABEL, match[2] or "")
            labels = tuple((name, _unescaped(value)) for name, value in pairs)
            assert len({name for name, _ in labels}) == len(labels)
            assert labels not in found[current]
            found[current][labels] = float(match.groups()[-1])
    return found


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", lambda match: {"n": "\n"}.get(match[1], match[1]), text)
