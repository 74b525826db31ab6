"""Studies: variants of a recipe under one protocol, each compared with the first on the same speakers.

The paper's ablations (Table 4) and its depths of MLCNN (Fig. 3) are such studies.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pcqtool.errors import SettingsError
from pcqtool.evaluation.finished_mark import is_finished, mark_finished, settings_key
from pcqtool.evaluation.run_directory import FOLDS, FinishedRun, read_run
from pcqtool.files.atomic import write_whole
from pcqtool.json_format import JsonFormat
from pcqtool.model.registry import DEFAULT_KIND

if TYPE_CHECKING:
    import torch

    from pcqtool.corpora.base import Utterance
    from pcqtool.splits import Fold, Protocol
    from pcqtool.training.recipe import Recipe

DEPTHS = (2, 3, 4)
BASELINE = "unchanged recipe"
COLUMNS = ("variant", "WA", "UA", "difference in WA", "difference in UA")

_STUDY_KEYS = (
    *("corpus", "protocol", "protocol_title", "leakage", "leaks", "speaker_independent", "overlap", "labels", "seeds"),
    *("n_utterances", "n_speakers", "recipe", "encoder", "teacher"),
    *("command", "data", "machine", "tool_version", "torch_version", "created"),
)
_VARIANT_KEYS = ("pooled", "over_seeds")


@dataclass(frozen=True)
class Variant:
    """A recipe with one change.

    Attributes:
        name: the change.
        recipe: the changed recipe.
        encoder: directory or Hub id of its pre-trained encoder; None without one.
    """

    name: str
    recipe: Recipe
    encoder: str | None


def ablation_variants(recipe: Recipe, encoder: str | None, others: Sequence[str] = ()) -> list[Variant]:
    """Return the unchanged recipe, then a variant for each part that it has and could do without, or lacks.

    Of a network other than PCQ, only the encoder is varied.

    Args:
        recipe: the recipe to change.
        encoder: directory or Hub id of its pre-trained encoder.
        others: encoders to use instead.

    Raises:
        SettingsError: if nothing can be varied.
    """
    undistilled = replace(recipe, feature_distillation=None)  # only an encoder of kind mini is distilled
    has_encoder = encoder is not None or _encoder(recipe).get("kind", "none") != "none"
    variants = [Variant(BASELINE, recipe, encoder)]
    if recipe.kind != DEFAULT_KIND:
        variants += [Variant(name, _change(recipe, encoder=entry), encoder) for name, entry in _layer_changes(recipe)]
        variants += [Variant(f"encoder {Path(other).name}", recipe, other) for other in others]
        if len(variants) == 1:
            raise SettingsError(
                f"recipe {recipe.name}: the parts of the network {recipe.kind} are not known",
                f"Compare settings with 'pcqtool sweep {recipe.name}.toml --set KEY=VALUE,VALUE'.",
            )
        return variants
    variants.append(Variant(*_toggle(recipe, "pdc", "PDC"), encoder))
    if has_encoder:
        variants.append(Variant(*_toggle(recipe, "csq", "CSQ"), encoder))
        variants.append(Variant(*_toggle(recipe, "mlcnn", "MLCNN, so w/o CSQ"), encoder))
        variants += [Variant(name, _change(recipe, encoder=entry), encoder) for name, entry in _layer_changes(recipe)]
        variants.append(Variant("w/o encoder, so w/o CSQ", _change(undistilled, encoder={"kind": "none"}), None))
    return variants + [Variant(f"encoder {Path(other).name}", undistilled, other) for other in others]


def depth_variants(recipe: Recipe, encoder: str | None) -> list[Variant]:
    """Return a variant for each depth of MLCNN up to the recipe's depth, which comes first.

    Raises:
        SettingsError: if the network is another one than PCQ.
    """
    from pcqtool.model.pcq import PCQConfig

    if recipe.kind != DEFAULT_KIND:
        raise SettingsError(f"recipe {recipe.name}: the network {recipe.kind} has no MLCNN", "Use a recipe for PCQ.")
    channels = tuple(recipe.network.get("mlcnn_channels", PCQConfig.mlcnn_channels))
    depths = [depth for depth in reversed(DEPTHS) if depth <= len(channels)]
    shallower = [_change(recipe, mlcnn_channels=channels[:depth]) for depth in depths[1:]]
    return [
        Variant(f"{depth} layers", changed, encoder)
        for depth, changed in zip(depths, [recipe, *shallower], strict=True)
    ]


def _encoder(recipe: Recipe) -> Mapping[str, Any]:
    encoder: Mapping[str, Any] = recipe.network.get("encoder", {})
    return encoder


def _layer_changes(recipe: Recipe) -> list[tuple[str, Mapping[str, Any]]]:
    """Return changes of a recipe with several encoder layers: the last layer alone, and the other combination."""
    encoder = _encoder(recipe)
    if len(encoder.get("layers", ())) < 2:
        return []
    concatenates = encoder.get("concat_layers", False)
    name, other = ("concatenated layers", "layer mix") if concatenates else ("layer mix", "concatenated layers")
    return [
        (f"last layer for {name}", {**encoder, "layers": (-1,)}),
        (f"{other} for {name}", {**encoder, "concat_layers": not concatenates}),
    ]


def _toggle(recipe: Recipe, part: str, title: str) -> tuple[str, Recipe]:
    """Remove a part of the network, or add it if the recipe lacks it."""
    has_part = recipe.network.get(part, True)
    return f"{'w/o' if has_part else 'with'} {title}", _change(recipe, **{part: not has_part})


def _change(recipe: Recipe, **changes: Any) -> Recipe:
    return replace(recipe, network={**recipe.network, **changes})


@dataclass(frozen=True)
class StudySetting:
    """The corpus, protocol and device that all variants of a study share.

    Attributes:
        corpus: name of the corpus.
        utterances: the corpus's list.
        protocol: the protocol of the folds.
        folds: all folds of each seed.
        device: where to compute.
        teacher: directory or Hub id of the teacher, for recipes that distil.
        n_jobs: number of folds, and of recordings, that are processed in parallel.
    """

    corpus: str
    utterances: Sequence[Utterance]
    protocol: Protocol
    folds: Mapping[int, Sequence[Fold]]
    device: torch.device
    teacher: str | None = None
    n_jobs: int = 1

    @property
    def n_folds(self) -> int:
        """Number of training runs of each variant."""
        return sum(map(len, self.folds.values()))


def run_study(
    kind: str, variants: Sequence[Variant], setting: StudySetting, out: Path, on_folds: Callable[[int, str], None]
) -> dict[str, Any]:
    """Evaluate all variants, except variants and folds that an earlier run has finished in ``out``.

    Args:
        kind: kind of the study; names its file ``<kind>.json``.
        variants: the variants; the others are compared with the first.
        setting: what they share.
        out: gets the file, and a directory for each variant as ``pcqtool evaluate`` writes it.
        on_folds: called with a number of finished folds and the name of their variant.

    Returns:
        The content of the file.

    Raises:
        PcqtoolError: as in cross-validation; finished variants and folds are kept.
    """
    runs = []
    places = [(variant, out / _slug(variant.name), _key(variant, setting)) for variant in variants]
    _check_recipes([variant for variant, folder, key in places if not is_finished(folder, key)], setting)
    for variant, folder, key in places:
        if not is_finished(folder, key):
            _evaluate(variant, setting, folder, key, on_folds)
        else:
            on_folds(setting.n_folds, variant.name)
        runs.append(read_run(folder))
    text = json.dumps(_compare(kind, variants, runs), indent=1, ensure_ascii=False)
    write_whole(out / f"{kind}.json", f"{text}\n".encode())
    study: dict[str, Any] = json.loads(text)
    return study


def _check_recipes(variants: Sequence[Variant], setting: StudySetting) -> None:
    """Check that every variant can be trained, before hours are spent on the first."""
    from pcqtool.labels import sort_labels
    from pcqtool.training.network_config import configure

    labels = sort_labels(utterance.label for utterance in setting.utterances)
    for variant in variants:
        configure(labels, variant.recipe, variant.encoder, setting.teacher)


def _evaluate(
    variant: Variant, setting: StudySetting, folder: Path, key: str, on_folds: Callable[[int, str], None]
) -> None:
    from pcqtool.evaluation.cross_validation import EvaluationTask, cross_validate
    from pcqtool.evaluation.summary import conclude
    from pcqtool.training.experiment import Experiment

    n_jobs = setting.n_jobs if setting.device.type == "cpu" else 1
    experiment = Experiment(
        setting.utterances, variant.recipe, setting.device, variant.encoder, setting.teacher, setting.n_jobs
    ).prepare()
    task = EvaluationTask.within_corpus(experiment, setting.corpus)
    results = cross_validate(task, setting.folds, folder / FOLDS, n_jobs, lambda result: on_folds(1, variant.name))
    evaluation = conclude(task, setting.protocol, setting.folds, results)
    evaluation.save(folder)
    mark_finished(folder, key)


def _compare(kind: str, variants: Sequence[Variant], runs: Sequence[FinishedRun]) -> dict[str, Any]:
    from pcqtool.evaluation.compare import compare

    baseline = runs[0]
    rows = []
    for variant, run in zip(variants, runs, strict=True):
        row = {"name": variant.name, **{key: run.metrics[key] for key in _VARIANT_KEYS if key in run.metrics}}
        rows.append(row if run is baseline else row | {"against_first": compare(run.predictions, baseline.predictions)})
    common = {key: baseline.metrics[key] for key in _STUDY_KEYS if key in baseline.metrics}
    return {"schema": JsonFormat.STUDY, "study": kind, **common, "variants": rows}


def table(study: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """Yield a study's rows for people: name, WA and UA in per cent, differences from the first in points."""
    for row in study["variants"]:
        run = FinishedRun(row["name"], Path(), row)
        against = row.get("against_first")
        differences = (_points(against["wa"]), _points(against["ua"])) if against else ("", "")
        yield row["name"], str(run.score("wa")), str(run.score("ua")), *differences


def _points(difference: Mapping[str, Any]) -> str:
    """Format a difference in percentage points with its interval: ``-1.2 (-2.0 to -0.3)``."""
    interval = difference["interval"]
    within = "" if interval is None else f" ({100 * interval[0]:+.1f} to {100 * interval[1]:+.1f})"
    return f"{100 * difference['difference']:+.1f}{within}"


def _key(variant: Variant, setting: StudySetting) -> str:
    origins = variant.encoder, setting.teacher
    return settings_key(variant.recipe, *origins, setting.protocol, setting.utterances, setting.folds)


def _slug(name: str) -> str:
    """Return a directory's name: ``w/o PDC`` → ``wo-PDC``."""
    return "".join(c if c.isalnum() or c in "._" else "-" if c == " " else "" for c in name)
