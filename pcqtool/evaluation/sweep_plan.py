"""The runs of a sweep: each recipe with each combination of values, and a folder's name for each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pcqtool.errors import PcqtoolError, SettingsError
from pcqtool.fingerprint import fingerprint
from pcqtool.model.registry import DEFAULT_KIND
from pcqtool.training.recipe import Recipe, load_recipe
from pcqtool.training.recipe_changes import check_values, find_key, short_key

MAX_NAME = 120  # characters of a folder's name, of which many file systems allow 255 bytes


@dataclass(frozen=True)
class PlannedRun:
    """A recipe with some settings changed.

    Attributes:
        recipe: name of a recipe in the package, or a TOML file.
        settings: the changed values, by dotted key.
        kind: kind of the recipe's network.
    """

    recipe: str
    settings: Mapping[str, Any]
    kind: str = DEFAULT_KIND

    @property
    def name(self) -> str:
        """The recipe and the values, safe as a folder's name: ``mini,dropout=0.3,lr=0.001``."""
        values = (
            f"{short_key(key, (self.kind,))}={_value_text(value)}" for key, value in sorted(self.settings.items())
        )
        name = ",".join((quote(Path(self.recipe).stem, safe=" "), *values))
        return name if len(name) <= MAX_NAME else f"{name[:MAX_NAME]}-{fingerprint(dict(self.settings))}"

    def load(self, **changes: Any) -> Recipe:
        """Return the recipe with the settings, and with ``changes`` that are not None."""
        return load_recipe(self.recipe, self.settings, **changes)


def plan_runs(
    recipes: Sequence[str], settings: Mapping[str, Sequence[Any]], overrides: Mapping[str, object]
) -> list[PlannedRun]:
    """Return a run for each recipe and each combination of values.

    Args:
        recipes: names of recipes in the package, or TOML files.
        settings: values of each setting, by its key.
        overrides: settings that another argument decides, if it is not None.

    Raises:
        SettingsError: if a setting is unknown or decided twice, a value is repeated, two runs would have one name, or
            there are fewer than two.
    """
    kinds = {recipe: load_recipe(recipe).kind for recipe in recipes}
    grid: dict[str, list[Any]] = {}
    for name, values in settings.items():
        key = find_key(name, tuple(kinds.values()))
        if key in grid:
            raise SettingsError(f"{key} is set twice", "Give all of its values together.")
        if overrides.get(key) is not None:
            raise SettingsError(f"{key} is given twice: by --{key} and among the values", f"Leave --{key} out.")
        grid[key] = check_values(key, values, tuple(kinds.values()))
    runs = [
        PlannedRun(recipe, dict(zip(grid, values, strict=True)), kinds[recipe])
        for recipe in recipes
        for values in product(*grid.values())
    ]
    names = [run.name.lower() for run in runs]  # some file systems ignore case
    for index, run in enumerate(runs):
        if run.name.lower() in names[:index]:
            raise SettingsError(f"two runs would be called {run.name}", "Rename a recipe's file.")
    if len(runs) < 2:
        raise SettingsError(
            "a sweep needs two runs or more",
            "Name several recipes or values (--set lr=1e-3,3e-4); 'pcqtool evaluate' makes one run.",
        )
    return runs


@contextmanager
def naming(name: str) -> Iterator[None]:
    """Put the name of a run before the text of an error."""
    try:
        yield
    except PcqtoolError as error:
        error.what = f"{name}: {error.what}"
        raise


def _value_text(value: object) -> str:
    """Return a value as in TOML, safe in a folder's name: a number's shortest form, ``true``, ``[2 2]``."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return repr(value).removesuffix(".0")
    if isinstance(value, list | tuple):
        return f"[{' '.join(map(_value_text, value))}]"
    if isinstance(value, Mapping):
        return f"({' '.join(f'{key}={_value_text(each)}' for key, each in value.items())})"
    return quote(str(value), safe=" ")
