from __future__ import annotations

import pytest
import torch

from pcqtool.errors import TrainingError
from pcqtool.training.recipe import Recipe
from pcqtool.training.trainer import explaining_memory_errors


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB."),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes"),
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 1 bytes."),
        MemoryError("Unable to allocate 9.00 TiB for an array"),
    ],
    ids=str,
)
def test_a_lack_of_memory_is_told_with_a_remedy(error):
    with (
        pytest.raises(TrainingError, match="batches of 32 segments") as caught,
        explaining_memory_errors(Recipe("r", batch_size=32)),
    ):
        raise error
    assert "batch_size = 16 and grad_accumulation = 2" in caught.value.hint


@pytest.mark.parametrize(
    ("recipe", "hint"),
    [
        (Recipe("r", batch_size=2), "batch_size = 1 and grad_accumulation = 2"),
        (Recipe("r", {"fusion_batch_norm": True}, batch_size=3), "batch_size = 2 and grad_accumulation = 2"),
        (Recipe("r", {"fusion_batch_norm": True}, batch_size=2), "Batches cannot be smaller"),
        (Recipe("r", batch_size=1), "Batches cannot be smaller"),
    ],
    ids=str,
)
def test_the_remedy_is_one_that_can_be_trained(recipe, hint):
    with pytest.raises(TrainingError) as caught, explaining_memory_errors(recipe):
        raise MemoryError
    assert hint in caught.value.hint


def test_a_real_lack_of_memory_is_recognised():
    with pytest.raises(TrainingError), explaining_memory_errors(Recipe("r")):
        torch.empty(2**60)


def test_other_errors_are_left_alone():
    with pytest.raises(RuntimeError, match="shapes"), explaining_memory_errors(Recipe("r")):
        raise RuntimeError("shapes do not fit")
