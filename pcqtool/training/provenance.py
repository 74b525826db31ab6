"""Provenance of a result: the command, the data and the day, so that it can be reproduced."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pcqtool.audio.segment import SAMPLE_RATE
from pcqtool.corpora.base import Utterance
from pcqtool.training.data import SegmentSet


def run_provenance(corpus: str, utterances: Sequence[Utterance], data: SegmentSet) -> dict[str, Any]:
    """Return the entries of ``metrics.json`` for command, data and day.

    Args:
        corpus: its name.
        utterances: the corpus's list.
        data: its segments.
    """
    samples = sum(data.n_recorded(utterance) for utterance in range(len(utterances)))
    speakers = {utterance.speaker for utterance in utterances} - {None}
    amount = {"n_utterances": len(utterances), "n_speakers": len(speakers)}
    return {
        "command": command_line(sys.argv[1:]),
        "data": {"corpus": corpus, **amount, "hours": round(samples / SAMPLE_RATE / 3600, 3)},
        "created": datetime.now(UTC).date().isoformat(),
    }


def command_line(arguments: Sequence[str]) -> str:
    """Return a command line for publication: absolute paths, which are private, are cut to their last part."""
    return shlex.join(["pcqtool", *(_public(argument) for argument in arguments)])


def _public(argument: str) -> str:
    name, equals, value = argument.partition("=")  # --root=DIR, or emodb=DIR after --root
    if equals:
        return f"{name}={_public(value)}"
    path = Path(argument)
    return path.name if path.is_absolute() and path.name else argument
