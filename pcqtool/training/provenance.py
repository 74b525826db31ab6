"""Where a result comes from: the command, the data and the day, so that it can be made again."""

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


def describe_origin(corpus: str, utterances: Sequence[Utterance], data: SegmentSet) -> dict[str, Any]:
    """Give the entries of ``metrics.json`` that say how a result was made, and of what.

    Args:
        corpus: its name.
        utterances: the corpus's list.
        data: its segments.
    """
    samples = sum(data.length(utterance) for utterance in range(len(utterances)))
    speakers = {utterance.speaker for utterance in utterances} - {None}
    amount = {"n_utterances": len(utterances), "n_speakers": len(speakers)}
    return {
        "command": describe_command(sys.argv[1:]),
        "data": {"corpus": corpus, **amount, "hours": round(samples / SAMPLE_RATE / 3600, 3)},
        "created": datetime.now(UTC).date().isoformat(),
    }


def describe_command(arguments: Sequence[str]) -> str:
    """Give the command line as it may be shown: of an absolute path only its last part, for it is nobody's business."""
    return shlex.join(["pcqtool", *(_shown(argument) for argument in arguments)])


def _shown(argument: str) -> str:
    name, equals, value = argument.partition("=")  # --root=DIR, or emodb=DIR behind --root
    if equals:
        return f"{name}={_shown(value)}"
    path = Path(argument)
    return path.name if path.is_absolute() and path.name else argument
