from __future__ import annotations

import pytest
import torch

from pcqtool.errors import TrainingError
from pcqtool.training.memory import memory_reported
from pcqtool.training.recipe import Recipe


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
        memory_reported(Recipe("r", batch_size=32)),
    ):
        raise error
    assert "batch_size = 16 and accumulate = 2" in caught.value.hint


def test_a_real_lack_of_memory_is_recognised():
    with pytest.raises(TrainingError), memory_reported(Recipe("r")):
        torch.empty(2**60)


def test_other_errors_are_left_alone():
    with pytest.raises(RuntimeError, match="shapes"), memory_reported(Recipe("r")):
        raise RuntimeError("shapes do not fit")
