"""``pcqtool recipes``: list the recipes of the package and show one."""

from __future__ import annotations

from typing import Annotated

import typer

from pcqtool.cli.common import completion, console, options
from pcqtool.cli.common.program import Program
from pcqtool.json_format import JsonFormat

app = Program(help="List and show recipes, the settings for training.")


@app.command("list", examples="pcqtool recipes list")
def list_recipes(json: options.Json = False) -> None:
    """List the recipes inside the package."""
    from pcqtool.training.recipe import describe_recipes

    recipes = describe_recipes()
    if json:
        console.print_json(
            JsonFormat.RECIPES, {"recipes": [{"recipe": name, "about": about} for name, about in recipes.items()]}
        )
    else:
        console.print_table(("recipe", "about"), list(recipes.items()))


@app.command("show", examples="pcqtool recipes show mini > mine.toml")
def show_recipe(
    name: Annotated[str, typer.Argument(metavar="NAME", autocompletion=completion.recipes, help="Name of a recipe.")],
) -> None:
    """Print a recipe as TOML.

    A changed copy works with --recipe FILE.toml.
    """
    from pcqtool.training.recipe import recipe_text

    console.print_page(recipe_text(name).rstrip())
