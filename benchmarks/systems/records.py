"""The records of finished runs, one JSON line each: what the table of systems needs of a ``metrics.json``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.systems.catalogue import (
    CONDITIONS,
    PAPER_CONDITIONS,
    PAPER_SYSTEMS,
    SYSTEMS,
    ComparedSystem,
    Condition,
    conditions_of,
    recipe_hash,
)
from pcqtool.errors import ModelError, PcqtoolError, ReportError
from pcqtool.evaluation.run_directory import FinishedRun, read_run
from pcqtool.files.atomic import write_whole
from pcqtool.model.encoder_search import ENCODERS_VARIABLE, resolve_local
from pcqtool.splits import CORPUS
from pcqtool.training.recipe import Recipe

Record = dict[str, Any]

RECORDS = Path(__file__).parents[2] / "docs" / "results" / "systems.jsonl"
SPEED = "speed"
"""The condition of a record of labelling speed."""

_KEPT = (
    *("corpus", "protocol", "leakage", "leaks", "overlap", "n_utterances", "n_speakers", "labels", "seeds"),
    *("profile", "plugins", "machine", "tool_version", "torch_version", "created"),
)
_SCORES = ("wa", "wa_interval", "ua", "ua_interval", "ece")
_ORDER = {
    name: number
    for number, name in enumerate(
        [each.name for each in (*SYSTEMS, *PAPER_SYSTEMS, *CONDITIONS, *PAPER_CONDITIONS)] + [SPEED]
    )
}


def read(path: Path = RECORDS) -> list[Record]:
    """Read the records; none if there is no file yet."""
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []


def merge(path: Path, new: Iterable[Record]) -> None:
    """Write records into a file; one of the same system and condition is replaced, unless it has more seeds.

    Raises:
        FileError: if the file system refuses.
    """
    found = {(record["system"], record["condition"]): record for record in read(path)}
    for record in new:
        key = record["system"], record["condition"]
        before = found.get(key)
        if before is None or before.get("recipe") != record.get("recipe") or _n_seeds(record) >= _n_seeds(before):
            found[key] = record
    lines = [json.dumps(found[key], ensure_ascii=False) for key in sorted(found, key=_place)]
    write_whole(path, "".join(f"{line}\n" for line in lines).encode())


def _n_seeds(record: Mapping[str, Any]) -> int:
    return len(record.get("seeds", ()))


def _place(key: tuple[str, str]) -> tuple[int, int, str]:
    system, condition = key
    return _ORDER.get(system, len(_ORDER)), _ORDER.get(condition, len(_ORDER)), f"{system} {condition}"


def make_record(
    system: ComparedSystem, condition: Condition, run: FinishedRun, parameters: Mapping[str, int] | None
) -> Record:
    """Return the record of a finished run.

    Entries that ``metrics.json`` has too are the same ones. ``training`` has the seconds of training and testing a
    fold (median) and all of them; reading, augmenting and encoding, which all folds share, are not in them.
    """
    metrics = run.metrics
    seconds = [each["elapsed_s"] for each in metrics["runs"]]
    recipe = metrics["recipe"]
    record = {
        "system": system.name,
        "condition": condition.name,
        "recipe": {"name": recipe["name"], "hash": system.recipe_hash(condition.several_corpora)},
        "kind": recipe["network"].get("kind", "pcq"),
        **{name: metrics[name] for name in _KEPT if name in metrics},
        "pooled": {name: metrics["pooled"].get(name) for name in _SCORES},
        "over_seeds": {name: metrics["over_seeds"][name] for name in ("wa", "ua")},
        "training": {"n_folds": len(seconds), "fold_s": round(median(seconds), 1), "sum_s": round(sum(seconds), 1)},
    }
    if condition.protocol == CORPUS:
        record["by_corpus"] = {name: {"ua": scores["ua"]} for name, scores in metrics["by_fold"].items()}
    return record | ({} if parameters is None else {"parameters": dict(parameters)})


def identify(metrics: Mapping[str, Any]) -> tuple[ComparedSystem, Condition]:
    """Find the system and the condition of a finished run.

    Raises:
        ReportError: if it is not a run of one of the systems, with the recipe of today, or under one of their
            conditions.
    """
    recipe, encoder = metrics.get("recipe"), metrics.get("encoder")
    if not isinstance(recipe, dict):
        raise ReportError("not a run that trained a recipe")
    corpora = set(str(metrics.get("corpus")).split("+"))
    key, size = recipe_hash(recipe, encoder), (len(corpora) > 1, int(metrics.get("n_utterances", 1)))
    systems = [each for each in (*SYSTEMS, *PAPER_SYSTEMS) if each.recipe_hash(*size) == key]
    if not systems:
        raise ReportError(f"recipe {recipe.get('name')} with encoder {encoder} is not one of a compared system today")
    has_profiles = float(recipe["network"].get("profile_s", 0.0)) > 0
    for condition in conditions_of(systems[0]):
        is_same = (set(condition.corpora), condition.protocol) == (corpora, metrics.get("protocol"))
        if is_same and (condition.profile == metrics.get("profile") or (not has_profiles and condition.fits(0.0))):
            return systems[0], condition
    raise ReportError(f"{metrics.get('corpus')}, {metrics.get('protocol')} is not a condition of the table")


def collect(folder: Path) -> tuple[list[Record], list[str]]:
    """Make records of all finished runs below a folder, such as those of ``pcqtool sweep``.

    Returns:
        The records, and a line for each run that has none, which says why.
    """
    records, notes = [], []
    for path in sorted(folder.rglob("metrics.json")):
        try:
            run = read_run(path.parent)
            system, condition = identify(run.metrics)
            recipe = system.load(condition.several_corpora)
            records.append(make_record(system, condition, run, count_parameters(system, recipe, run.labels)))
        except PcqtoolError as error:
            notes.append(f"{path}: {error.what}")
    return records, notes


def reason(error: Exception) -> str:
    """Return the first line of an error, or its type if it has no text."""
    return next(iter(str(error).splitlines()), type(error).__name__)


def check_encoder(origins: Iterable[str | None]) -> None:
    """Check that encoders are on this machine; a look-up on the Hub takes minutes without network.

    Raises:
        ModelError: if one is not.
    """
    for origin in filter(None, origins):
        if not Path(resolve_local(origin)).is_dir():
            raise ModelError(f"no encoder {origin} on this machine", f"Put it into a folder of {ENCODERS_VARIABLE}.")


def count_parameters(system: ComparedSystem, recipe: Recipe, labels: Sequence[str]) -> dict[str, int] | None:
    """Count the parameters that a recipe trains, and all; None where the encoder or the plugin is missing.

    A frozen encoder that is distilled is trained as well. A classifier in closed form has no parameters, only the
    weights that are fitted to the training data.
    """
    from pcqtool.training.network_config import configure, recipe_network

    encoder_source, teacher = recipe.encoder_and_teacher(system.encoder or None)
    try:
        check_encoder([encoder_source])
        config, encoder = configure(tuple(labels), recipe, encoder_source, teacher)
    except PcqtoolError:
        return None
    model = recipe_network(recipe)(config)
    if encoder is not None:
        model.encoder = encoder
    whole = recipe.feature_distillation is not None
    sizes = [(each.numel(), whole or each.requires_grad) for each in model.parameters()]
    return {"trained": sum(n for n, trained in sizes if trained), "all": sum(n for n, _ in sizes)}
