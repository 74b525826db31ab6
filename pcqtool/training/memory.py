"""What to say when memory does not suffice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pcqtool.errors import TrainingError
from pcqtool.model.device import raising_memory_errors
from pcqtool.training.recipe import Recipe


@contextmanager
def memory_reported(recipe: Recipe) -> Iterator[None]:
    """Turn a lack of memory into a ``TrainingError`` that names the settings that need less."""
    try:
        with raising_memory_errors():
            yield
    except MemoryError as error:
        raise _too_large(recipe) from error


def _too_large(recipe: Recipe) -> TrainingError:
    half, twice = max(recipe.min_batch_size, recipe.batch_size // 2), recipe.grad_accumulation * 2
    hint = (
        f"In a recipe of your own set batch_size = {half} and grad_accumulation = {twice}: steps stay the same, except "
        "for the statistics of batch normalisation."
    )
    if half == recipe.batch_size:
        hint = "Batches cannot be smaller: take a smaller encoder, or a device with more memory."
    return TrainingError(f"out of memory with batches of {recipe.batch_size} segments", hint)
