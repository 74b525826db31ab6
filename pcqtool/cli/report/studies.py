"""``pcqtool report ablations`` and ``depth``: variants of a recipe under one protocol."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pcqtool.cli.common import console, options

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pcqtool.evaluation.ablations import Variant
    from pcqtool.evaluation.study import StudySetting
    from pcqtool.splits import ValidationSize

Protocol = Annotated[
    str, typer.Option("--protocol", metavar="NAME", help="How to part the corpus, as for 'pcqtool evaluate'.")
]
OutDir = Annotated[
    Path, typer.Option("--out", "-o", metavar="DIR", help="Directory for the runs, the table and the figure.")
]
Others = Annotated[
    list[str] | None,
    typer.Option("--other-encoder", metavar="DIR|ID", help="An encoder to try instead; may be given more than once."),
]


def ablations(
    corpus: options.CorpusName,
    protocol: Protocol = "loso",
    out: OutDir = Path("ablations"),
    root: options.Root = None,
    recipe: options.RecipeName = "best",
    encoder: options.Encoder = None,
    other_encoder: Others = None,
    teacher: options.Teacher = None,
    epochs: options.Epochs = None,
    seed: options.Seed = None,
    seeds: options.Seeds = 1,
    device: options.Device = "auto",
    jobs: options.Jobs = 0,
    json: options.Json = False,
) -> None:
    """Measure what each part of PCQ is worth (the paper's Table 4).

    Each part is left out of the recipe, or put in where it is missing, and the difference in accuracy is tested on
    the same speakers. A run that was stopped goes on where it was.
    """
    from pcqtool.evaluation import ablations
    from pcqtool.training.recipe import load_recipe

    settings = load_recipe(recipe, epochs=epochs, seed=seed)
    encoder, teacher = settings.encoder_and_teacher(encoder, teacher)
    chosen = ablations.ablations(settings, encoder, other_encoder or ())
    from pcqtool.report.study_figures import draw_differences

    repeats = range(settings.seed, settings.seed + seeds)
    setting = _set_up(corpus, root, protocol, settings.validation_size(), repeats, teacher, device, jobs)
    _study("ablations", chosen, setting, out, draw_differences, json)


def depth(
    corpus: options.CorpusName,
    protocol: Protocol = "loso",
    out: OutDir = Path("depth"),
    root: options.Root = None,
    recipe: options.RecipeName = "best",
    encoder: options.Encoder = None,
    teacher: options.Teacher = None,
    epochs: options.Epochs = None,
    seed: options.Seed = None,
    seeds: options.Seeds = 1,
    device: options.Device = "auto",
    jobs: options.Jobs = 0,
    json: options.Json = False,
) -> None:
    """Measure accuracy with 2, 3 and 4 layers of MLCNN (the paper's Fig. 3).

    A run that was stopped goes on where it was.
    """
    from pcqtool.evaluation import ablations
    from pcqtool.report.study_figures import draw_depth
    from pcqtool.training.recipe import load_recipe

    settings = load_recipe(recipe, epochs=epochs, seed=seed)
    encoder, teacher = settings.encoder_and_teacher(encoder, teacher)
    chosen = ablations.depths(settings, encoder)
    repeats = range(settings.seed, settings.seed + seeds)
    setting = _set_up(corpus, root, protocol, settings.validation_size(), repeats, teacher, device, jobs)
    _study("depth", chosen, setting, out, draw_depth, json)


def _set_up(
    corpus: str,
    root: Path | None,
    protocol: str,
    validating: ValidationSize,
    seeds: Sequence[int],
    teacher: str | None,
    device: str,
    jobs: int,
) -> StudySetting:
    """Read the corpus and make the folds."""
    from pcqtool.corpora import registry
    from pcqtool.corpora.plugin_isolation import list_utterances
    from pcqtool.report.figure import require_matplotlib
    from pcqtool.splits import find_protocol

    require_matplotlib()
    chosen = find_protocol(protocol)
    utterances = list_utterances(registry.open_corpus(corpus, root))
    folds = {seed: chosen.folds(utterances, seed, validating) for seed in seeds}

    from pcqtool.evaluation.study import StudySetting
    from pcqtool.model.device import choose_device

    return StudySetting(corpus, utterances, chosen, folds, choose_device(device), teacher, options.n_jobs(jobs))


def _study(
    kind: str, variants: Sequence[Variant], setting: StudySetting, out: Path, draw: Callable[..., None], as_json: bool
) -> None:
    from pcqtool.evaluation.study import COLUMNS, run_study, table
    from pcqtool.files.lock import lock_folder

    console.info(f"{setting.corpus}: {len(setting.utterances)} utterances, {len(variants)} variants")
    with lock_folder(out):
        with console.progress(setting.n_folds * len(variants), "folds") as progress:
            study: dict[str, Any] = run_study(
                kind, variants, setting, out, lambda n, name: progress.advance(n, note=name)
            )
        figure = out / f"{kind}.svg"
        draw(study, f"{setting.corpus}, {setting.protocol.name}, recipe {study['recipe']['name']}", figure)
    if as_json:
        console.print_json({**study, "figure": figure})
        return
    console.print_table(COLUMNS, table(study))
    console.print_text("")
    leakage = {"leakage": study.get("leakage"), "table": out / f"{kind}.json", "figure": figure}
    console.print_fields({"differences": f"from {variants[0].name}, 95 % interval over speakers, paired", **leakage})
