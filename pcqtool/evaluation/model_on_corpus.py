"""Evaluation of a finished model on a corpus, without training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from pcqtool.arguments import StrPath
from pcqtool.batch.profiling import AUTO
from pcqtool.corpora.base import Utterance
from pcqtool.corpora.pool import CorpusPool, PooledCorpus, training_corpora
from pcqtool.errors import CorpusError
from pcqtool.evaluation.corpus_profile import choose_profiles
from pcqtool.evaluation.predictions import ModelPredictions, Predictions, predictions_table, renormalise
from pcqtool.evaluation.run_directory import Evaluation
from pcqtool.evaluation.summary import describe_machine, summarise
from pcqtool.json_format import JsonFormat
from pcqtool.labels import sort_labels
from pcqtool.model.device import choose_device
from pcqtool.model.directory import EncoderSearchPath, ModelConfig, find
from pcqtool.model.predictor import Predictor
from pcqtool.model.profile_file import BatchProfile
from pcqtool.progress import OnProgress, ignore
from pcqtool.training.provenance import run_provenance
from pcqtool.training.segments import build_speech_segments
from pcqtool.training.trainer import file_probabilities


def evaluate_model(
    name: str,
    pool: CorpusPool,
    device: str,
    n_jobs: int,
    encoders: EncoderSearchPath | None = None,
    profile: StrPath | BatchProfile = AUTO,
    on_progress: OnProgress = ignore,
) -> Evaluation:
    """Score a model on the utterances that have one of its labels.

    The probabilities of the labels that model and corpus share are scaled to sum to 1. A label that the corpus does
    not have cannot be correct, so the model may not predict it. Recordings are segmented as in labelling, with voice
    activity detection.

    Args:
        name: a bundled model's name, or a model directory.
        pool: the corpus, or several.
        device: as for ``choose_device``.
        n_jobs: number of recordings that are read in parallel.
        encoders: where to look for an encoder that the model refers to, as for ``load``.
        profile: what inputs are standardised by: ``auto``, ``off``, ``by=speaker``, or a profile or its file.
        on_progress: called with recordings segmented, segments measured, and segments predicted.

    Raises:
        CorpusError: if the model shares fewer than two labels with the corpus, or a recording cannot be read.
        ModelError: if the model is damaged.
        ProfileError: if the profile is missing, damaged, or was measured for another model.
        SettingsError: if the model does not exist, or this machine does not have the device.
    """
    directory, chosen_device = find(name), choose_device(device)
    predictor = Predictor(directory, chosen_device, encoders)
    config = predictor.config
    corpus, utterances = pool.name, pool.utterances
    labels = _shared_labels(config, corpus, utterances)
    known = [utterance for utterance in utterances if utterance.label in labels]
    data = build_speech_segments(known, n_jobs, on_progress)
    indices = range(len(known))
    columns = [config.labels.index(label) for label in labels]
    standardised = choose_profiles(profile, predictor, known, data, on_progress)
    logits = standardised.predict_logits(predictor, data, on_progress)
    calibrated, uncalibrated = (
        renormalise(file_probabilities(each, data, indices, config.aggregation), columns)[:, columns] for each in logits
    )
    predictions = ModelPredictions(indices, calibrated, uncalibrated, standardised.temperature(predictor))
    table = predictions_table([predictions], known, data, labels, config.aggregation, config.name)
    metrics = {
        "schema": JsonFormat.EVALUATION,
        "corpus": corpus,
        "protocol": f"model {config.name}, nothing trained",
        **standardised.noted_on(_leakage(config, pool.members)),
        **summarise(Predictions.from_table(table, labels)),
        **_labels(config, labels, utterances),
        "model": config.name,
        "trained_on": config.trained_on,
        **run_provenance(corpus, known, data),
        **describe_machine(chosen_device),
    }
    return Evaluation(metrics, table, config.name, predictor.sha256, config.aggregation)


def _shared_labels(config: ModelConfig, corpus: str, utterances: Sequence[Utterance]) -> tuple[str, ...]:
    """Return the labels that model and corpus share, in the model's order."""
    corpus_labels = sort_labels(utterance.label for utterance in utterances)
    labels = tuple(label for label in config.labels if label in corpus_labels)
    if len(labels) < 2:
        shared = f"only {labels[0]}" if labels else "none"
        raise CorpusError(
            f"model {config.name} has {shared} of the labels of {corpus} ({', '.join(corpus_labels)})",
            f"Labels of the model: {', '.join(config.labels)}.",
        )
    return labels


def _labels(config: ModelConfig, labels: Sequence[str], utterances: Sequence[Utterance]) -> Mapping[str, Any]:
    """Return the corpus's labels that were left out, and the model's labels that the corpus does not have."""
    left_out = Counter(utterance.label for utterance in utterances if utterance.label not in labels)
    absent = [label for label in config.labels if label not in labels]
    return {"left_out": dict(sorted(left_out.items())), "labels_not_in_corpus": absent, "renormalised": bool(absent)}


def _leakage(config: ModelConfig, members: Sequence[PooledCorpus]) -> dict[str, Any]:
    """Report whether the model may have been trained on what it was tested on; ``warning`` if it seems so."""
    trained_on = training_corpora(config.provenance)
    seen = [member for member in members if {member.name, member.origin} & trained_on]
    if seen:
        names = " and ".join(member.name for member in seen)
        if all(member.has_fixed_labels for member in seen):
            warning = f"the model was trained on {names}: these figures are not a test"
        else:
            warning = f"the model was trained on a corpus called {names}; if it is this one, the figures are not a test"
        return {"leakage": f"LEAKS: {warning}.", "leaks": True, "warning": warning}
    sources = ", ".join(config.provenance.get("corpora", ())) or "unknown corpora"
    tested = " or ".join(member.name for member in members)
    fixed = [member.has_fixed_labels for member in members]
    fixed += [each.get("has_fixed_labels", True) for each in config.provenance.get("data", ())]
    if all(fixed):
        text = f"The model was trained on {sources}, not on {tested}."
    else:  # the same recordings may have another name
        text = f"The model was trained on {sources}; whether recordings of {tested} were among them is unknown."
    return {"leakage": f"Nothing was trained. {text}", "leaks": False}
