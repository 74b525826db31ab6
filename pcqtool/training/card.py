"""The model card, ``README.md`` of a model directory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pcqtool.model.directory import ModelConfig

_LIMITS = """## Limits

The recordings it has learnt from decide what it can do. Acted speech from a studio does not carry over to spontaneous
speech on the telephone, to other languages or to other emotions; measure it on labelled recordings of your own before
you rely on it. It judges how speech sounds, not what somebody feels, and must not be used to decide about people.
"""


def write_card(
    config: ModelConfig, titles: Sequence[str], licences: Sequence[str], scores: Mapping[str, Any] | None
) -> str:
    """Write the card: data, protocol, scores, limits, licences."""
    lines = [f"# {config.name}", "", f"Speech emotion recognition by PCQ, made with pcqtool: {config.trained_on}.", ""]
    lines += [f"- Classes: {', '.join(config.labels)}", f"- Corpora: {'; '.join(titles)}"]
    lines += [f"- Temperature: {config.temperature:.3f}; from segments to file by `{config.aggregation}`", ""]
    lines += ["## Scores", "", *_scores(scores), "", _LIMITS]
    lines += ["## Licences", "", "The weights are pcqtool's own, under its MIT licence.", *licences, ""]
    return "\n".join(lines)


def _scores(scores: Mapping[str, Any] | None) -> list[str]:
    if not scores:
        return ["None: this training run kept no part for a test. See `pcqtool evaluate`."]
    validation = scores["validation"]
    return [
        f"On {validation['n']} validation files of {', '.join(scores['validation_speakers'])}, which also decided when "
        f"to stop: WA {100 * validation['wa']:.1f}, UA {100 * validation['ua']:.1f}. This is no test; "
        "`pcqtool evaluate --protocol loso` gives honest figures for the recipe.",
    ]
