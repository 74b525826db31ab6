"""A finished model on a corpus: nothing is trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pcqtool.corpora.base import Utterance
from pcqtool.errors import CorpusError
from pcqtool.model.directory import Places, find, load
from pcqtool.model.predictor import choose_device
from pcqtool.training.data import build_segments
from pcqtool.training.fit import file_probabilities, judge
from pcqtool.training.metrics import score
from pcqtool.training.views import ViewSettings


def apply_model(
    name: str,
    corpus: str,
    utterances: Sequence[Utterance],
    device: str,
    n_jobs: int,
    encoders: Places | None = None,
) -> dict[str, Any]:
    """Score a model on the utterances whose label it knows.

    Args:
        name: of a bundled model, or a model directory.
        corpus: its name.
        utterances: the corpus's.
        device: as for ``choose_device``.
        n_jobs: recordings read at the same time.
        encoders: where to look for an encoder that the model does not hold, as for ``load``.

    Returns:
        What goes into ``metrics.json``; with a ``warning`` if the model has learnt from a corpus of this name.

    Raises:
        CorpusError: if the model knows none of the corpus's labels, or a recording cannot be read.
        ModelError: if there is no such model, or it is damaged.
        SettingsError: if this machine has no such device.
    """
    model, config = load(find(name), encoders)
    known = [utterance for utterance in utterances if utterance.label in config.labels]
    if not known:
        raise CorpusError(
            f"model {config.name} has none of the labels of {corpus}", f"Its own: {', '.join(config.labels)}."
        )
    data = build_segments(known, 0, ViewSettings(), 0, n_jobs)
    every = range(len(known))
    logits = judge(model.to(choose_device(device)), data, every)
    probabilities = file_probabilities(logits, data, every, config.aggregation, config.temperature)
    truth = np.array([config.labels.index(utterance.label) for utterance in known])
    speakers = [utterance.speaker or "" for utterance in known]
    pooled = score(truth, probabilities.argmax(axis=1), probabilities, config.labels, speakers)
    metrics: dict[str, Any] = {
        "corpus": corpus,
        "protocol": f"model {config.name}, nothing trained",
        "pooled": pooled.to_dict(),
        "labels": list(config.labels),
        "left_out": len(utterances) - len(known),
    }
    if corpus in config.provenance.get("corpora", ()):
        metrics["warning"] = f"the model has learnt from {corpus}: these figures are no test"
    return metrics
