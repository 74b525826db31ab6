"""A finished model on a corpus: nothing is trained."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pcqtool.corpora.base import Utterance
from pcqtool.corpora.member import PooledCorpus, learnt_from
from pcqtool.corpora.pool import CorpusPool
from pcqtool.errors import CorpusError
from pcqtool.evaluation.output import Evaluation
from pcqtool.evaluation.prediction_table import Predicted, tabulate
from pcqtool.evaluation.predictions import Predictions
from pcqtool.evaluation.summary import describe_machine, summarise
from pcqtool.labels import in_order
from pcqtool.model.device import choose_device
from pcqtool.model.directory import EncoderSearchPath, ModelConfig, find, load, model_sha256
from pcqtool.training.data import build_speech_segments
from pcqtool.training.provenance import run_provenance
from pcqtool.training.trainer import predict_files


def evaluate_model(
    name: str,
    pool: CorpusPool,
    device: str,
    n_jobs: int,
    encoders: EncoderSearchPath | None = None,
) -> Evaluation:
    """Score a model on the utterances whose label it knows, by the labels that both of them have.

    Its probabilities of these labels are scaled so that they sum to 1: a label that the corpus does not have cannot
    be right, and is no possible answer. Recordings are heard as labelling hears them, with voice activity detection.

    Args:
        name: of a bundled model, or a model directory.
        pool: the corpus, or several.
        device: as for ``choose_device``.
        n_jobs: recordings read at the same time.
        encoders: where to look for an encoder that the model does not hold, as for ``load``.

    Raises:
        CorpusError: if the model shares fewer than two labels with the corpus, or a recording cannot be read.
        ModelError: if the model is damaged.
        SettingsError: if there is no such model, or this machine has no such device.
    """
    directory = find(name)
    model, config = load(directory, encoders)
    corpus, utterances = pool.name, pool.utterances
    labels = _shared_labels(config, corpus, utterances)
    known = [utterance for utterance in utterances if utterance.label in labels]
    place = choose_device(device)
    data = build_speech_segments(known, n_jobs)
    every = range(len(known))
    columns = [config.labels.index(label) for label in labels]
    probabilities = predict_files(model.to(place), config.temperature, data, every, config.aggregation)
    calibrated, uncalibrated = (_renormalised(each, columns) for each in probabilities)
    judged = Predicted(every, calibrated, uncalibrated, config.temperature)
    table = tabulate([judged], known, data, labels, config.aggregation, config.name)
    metrics = {
        "corpus": corpus,
        "protocol": f"model {config.name}, nothing trained",
        **_stamp(config, pool.members),
        **summarise(Predictions.of(table, labels)),
        **_labels(config, labels, utterances),
        "model": config.name,
        "trained_on": config.trained_on,
        **run_provenance(corpus, known, data),
        **describe_machine(place),
    }
    return Evaluation(metrics, table, config.name, model_sha256(directory), config.aggregation)


def _shared_labels(config: ModelConfig, corpus: str, utterances: Sequence[Utterance]) -> tuple[str, ...]:
    """Give the labels that model and corpus both have, in the model's order."""
    there = in_order(utterance.label for utterance in utterances)
    labels = tuple(label for label in config.labels if label in there)
    if len(labels) < 2:
        shared = f"nothing but {labels[0]}" if labels else "none"
        raise CorpusError(
            f"model {config.name} has {shared} of the labels of {corpus} ({', '.join(there)})",
            f"Its own: {', '.join(config.labels)}.",
        )
    return labels


def _renormalised(probabilities: NDArray[np.float64], columns: Sequence[int]) -> NDArray[np.float64]:
    """Keep some columns of probabilities ``(N, L)`` and let them sum to 1 again."""
    kept = probabilities[:, list(columns)].clip(np.finfo(np.float64).tiny)
    return np.asarray(kept / kept.sum(axis=1, keepdims=True))


def _labels(config: ModelConfig, labels: Sequence[str], utterances: Sequence[Utterance]) -> Mapping[str, Any]:
    """Say which labels were not judged, and of which the model was not asked."""
    left_out = Counter(utterance.label for utterance in utterances if utterance.label not in labels)
    absent = [label for label in config.labels if label not in labels]
    return {"left_out": dict(sorted(left_out.items())), "labels_not_in_corpus": absent, "renormalised": bool(absent)}


def _stamp(config: ModelConfig, members: Sequence[PooledCorpus]) -> dict[str, Any]:
    """Say whether the model may have heard what it was tested on; ``warning`` if it seems so."""
    learnt = learnt_from(config.provenance)
    heard = [member for member in members if {member.name, member.origin} & learnt]
    if heard:
        names = " and ".join(member.name for member in heard)
        if all(member.particular for member in heard):
            warning = f"the model has learnt from {names}: these figures are no test"
        else:
            warning = f"the model has learnt from what was called {names}; if that was this, these figures are no test"
        return {"stamp": f"LEAKS: {warning}.", "leaks": True, "warning": warning}
    sources = ", ".join(config.provenance.get("corpora", ())) or "unknown corpora"
    judged = " or ".join(member.name for member in members)
    kinds = [member.particular for member in members]
    kinds += [each.get("particular", True) for each in config.provenance.get("data", ())]
    if all(kinds):
        text = f"The model has learnt from {sources}, not from {judged}."
    else:  # the same recordings may have another name
        text = f"The model has learnt from {sources}; whether recordings of {judged} were among them cannot be told."
    return {"stamp": f"Nothing was trained. {text}", "leaks": False}
