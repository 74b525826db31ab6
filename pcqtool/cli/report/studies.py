"""``pcqtool report ablations`` and ``depth``: variants of a recipe under one protocol."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pcqtool.arguments import n_jobs
from pcqtool.cli.common import completion, console, options
from pcqtool.cli.report.arguments import FigureSize, FigureTitle
from pcqtool.json_format import JsonFormat

if TYPE_CHECKING:
    from collections.abc import Callable

    from pcqtool.evaluation.ablation_study import Variant
    from pcqtool.training.recipe import Recipe

Protocol = Annotated[
    str,
    typer.Option(
        "--protocol",
        metavar="NAME",
        help="Cross-validation protocol, as for 'pcqtool evaluate'.",
        autocompletion=completion.protocols,
    ),
]
OutDir = Annotated[
    Path, typer.Option("--out", "-o", metavar="DIR", help="Directory for the runs, the table and the figure.")
]
Others = Annotated[
    list[str] | None,
    typer.Option("--other-encoder", metavar="DIR|ID", help="Encoder of a further variant; may be repeated."),
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
    title: FigureTitle = None,
    size: FigureSize = None,
    device: options.Device = "auto",
    jobs: options.Jobs = 0,
    json: options.Json = False,
) -> None:
    """Measure the effect of each part of PCQ (Table 4).

    Each part is removed from the recipe, or added if it is missing, and the difference in accuracy is tested on the
    same speakers. The same command resumes an interrupted study.
    """
    from pcqtool.evaluation.ablation_study import ablation_variants
    from pcqtool.report.study_figures import draw_differences
    from pcqtool.training.recipe import load_recipe

    def make_variants(recipe: Recipe, encoder: str | None) -> list[Variant]:
        return ablation_variants(recipe, encoder, other_encoder or ())

    settings = load_recipe(recipe, epochs=epochs, seed=seed)
    common = (corpus, root, protocol, seeds, title, size, device, jobs, json)
    _run_study("ablations", make_variants, draw_differences, out, settings, encoder, teacher, *common)


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
    title: FigureTitle = None,
    size: FigureSize = None,
    device: options.Device = "auto",
    jobs: options.Jobs = 0,
    json: options.Json = False,
) -> None:
    """Measure accuracy with 2, 3 and 4 MLCNN layers (Figure 3).

    The same command resumes an interrupted study.
    """
    from pcqtool.evaluation.ablation_study import depth_variants
    from pcqtool.report.study_figures import draw_depth
    from pcqtool.training.recipe import load_recipe

    settings = load_recipe(recipe, epochs=epochs, seed=seed)
    common = (corpus, root, protocol, seeds, title, size, device, jobs, json)
    _run_study("depth", depth_variants, draw_depth, out, settings, encoder, teacher, *common)


def _run_study(
    kind: str,
    make_variants: Callable[[Recipe, str | None], list[Variant]],
    draw: Callable[..., None],
    out: Path,
    recipe: Recipe,
    encoder: str | None,
    teacher: str | None,
    corpus: str,
    root: Path | None,
    protocol: str,
    n_seeds: int,
    title: str | None,
    size: str | None,
    device: str,
    jobs: int,
    as_json: bool,
) -> None:
    from pcqtool.corpora import registry
    from pcqtool.report.figure import parse_size, require_matplotlib
    from pcqtool.splits import find_protocol

    inches = parse_size(size)
    encoder, teacher = recipe.encoder_and_teacher(encoder, teacher)
    variants = make_variants(recipe, encoder)
    require_matplotlib()
    chosen = find_protocol(protocol)
    utterances = registry.list_utterances(registry.open_corpus(corpus, root))
    seeds = range(recipe.seed, recipe.seed + n_seeds)
    folds = {seed: chosen.folds(utterances, seed, recipe.validation_size()) for seed in seeds}

    from pcqtool.evaluation.ablation_study import COLUMNS, StudySetting, run_study, table
    from pcqtool.files.lock import lock_folder
    from pcqtool.model.device import choose_device

    setting = StudySetting(corpus, utterances, chosen, folds, choose_device(device), teacher, n_jobs(jobs))
    console.info(f"{setting.corpus}: {len(setting.utterances)} utterances, {len(variants)} variants")
    with lock_folder(out):
        with console.progress(setting.n_folds * len(variants), "folds") as progress:
            study: dict[str, Any] = run_study(
                kind, variants, setting, out, lambda n, name: progress.advance(n, note=name)
            )
        figure = out / f"{kind}.svg"
        usual = f"{setting.corpus}, {setting.protocol.name}, recipe {study['recipe']['name']}"
        draw(study, title or usual, figure, inches)
    if as_json:
        console.print_json(JsonFormat.STUDY, {**study, "figure": figure})
        return
    console.print_table(COLUMNS, table(study))
    console.print_text("")
    leakage = {"leakage": study.get("leakage"), "table": out / f"{kind}.json", "figure": figure}
    console.print_fields({"differences": f"from {variants[0].name}, 95 % interval over speakers, paired", **leakage})
