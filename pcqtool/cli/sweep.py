"""``pcqtool sweep``: evaluate recipes with several values of their settings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pcqtool.cli.common import completion, console, evaluation_options, options
from pcqtool.cli.compare import print_differences
from pcqtool.json_format import JsonFormat

if TYPE_CHECKING:
    from pcqtool.evaluation.sweep import Sweep


def sweep(
    recipes: Annotated[
        list[str],
        typer.Argument(
            metavar="RECIPE",
            help="Names that 'pcqtool recipes list' shows, or files with the same keys.",
            autocompletion=completion.recipes,
            show_default=False,
        ),
    ],
    corpus: options.Corpora,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE,VALUE",
            help="Values of a setting, such as network.dropout=0.3,0.5; may be repeated for all combinations.",
            rich_help_panel=options.RECIPE,
        ),
    ] = None,
    protocol: evaluation_options.Protocol = None,
    test_corpus: evaluation_options.TestCorpus = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="DIR", help="Directory for the runs, a folder each, and sweep.json.")
    ] = Path("sweep"),
    table: Annotated[
        Path | None,
        typer.Option("--table", metavar="FILE", help="Also write a table: .tex, .csv, .md or .json."),
    ] = None,
    root: options.Roots = None,
    label_map: options.LabelMapFile = None,
    common_classes: options.CommonClasses = False,
    encoder: options.Encoder = None,
    teacher: options.Teacher = None,
    epochs: options.Epochs = None,
    seed: options.Seed = None,
    seeds: options.Seeds = 1,
    validation: evaluation_options.Validation = None,
    profile: evaluation_options.Profile = "auto",
    device: options.Device = "auto",
    jobs: options.Jobs = 0,
    json: options.Json = False,
) -> None:
    """Evaluate recipes with several values of their settings.

    Every combination is a run as of 'pcqtool evaluate', in a folder of its own. All are checked before the first is
    trained. The same command resumes an interrupted sweep, and keeps finished runs.

    The runs are compared with the one that has the highest UA on validation data. Choosing by the figures on test data
    would make them too high.
    """
    from pcqtool.evaluation.sweep import sweep as sweep_recipes
    from pcqtool.report.paper_table import check_table_path, write_table
    from pcqtool.report.sweep_table import sweep_table
    from pcqtool.training.recipe import load_recipe
    from pcqtool.training.recipe_changes import parse_changes

    check_table_path(table)
    with console.reporting() as on_progress:
        found = sweep_recipes(
            recipes,
            corpus,
            out,
            parse_changes(settings or (), [load_recipe(recipe).kind for recipe in recipes]),
            protocol=protocol,
            test_corpus=test_corpus,
            root=root,
            label_map=label_map,
            common_classes=common_classes,
            encoder=encoder,
            teacher=teacher,
            epochs=epochs,
            seed=seed,
            seeds=seeds,
            validation=validation,
            profile=profile,
            device=device,
            jobs=jobs,
            on_progress=on_progress,
        )
    if table is not None:
        write_table(sweep_table(found), table)
    for warning in found.comparison.warnings:
        console.warn(warning)
    if json:
        console.print_json(JsonFormat.SWEEP, found.to_dict() | ({} if table is None else {"table": table}))
    else:
        _show(found, out, table)


def _show(found: Sweep, out: Path, table: Path | None) -> None:
    """Show scores and differences as two tables, which are narrow enough for a terminal."""
    from pcqtool.evaluation.sweep import FILE
    from pcqtool.report import sweep_table

    console.print_table(
        sweep_table.SWEEP_COLUMNS, [sweep_table.sweep_cells(found, run) for run in found.comparison.runs]
    )
    console.print_text("")
    print_differences(found.comparison)
    console.print_text("")
    for note in sweep_table.sweep_notes(found):
        console.print_text(note)
    console.print_fields({"runs": out / FILE, "table": table})
