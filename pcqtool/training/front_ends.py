"""What the network's two branches begin with, for which nothing is learnt: computed once for all epochs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pcqtool.model.pcq import PCQ, Inputs
from pcqtool.training.data import SegmentSet

_BATCH = 64


class FrontEnds:
    """What the front ends make of the training segments, computed once and kept in half precision.

    A pre-trained encoder takes the waves themselves, or frames that are larger: for those nothing is kept.
    """

    def __init__(self, model: PCQ, data: SegmentSet, train: Sequence[int]) -> None:
        self.model, self.data = model, data
        self.device = next(model.parameters()).device
        self.parts: list[Tensor] = []
        if model.config.encoder.kind not in ("none", "mini"):
            return
        rows = np.flatnonzero(np.isin(data.utterance, train))
        self.place = np.zeros(len(data.utterance), np.int64)
        self.place[rows] = np.arange(len(rows))
        batches = [self._compute(rows[start : start + _BATCH]) for start in range(0, len(rows), _BATCH)]
        columns = [column for column in zip(*batches, strict=True) if column[0] is not None]
        self.parts = [torch.cat([part.half().cpu() for part in column]) for column in columns]

    def __call__(self, rows: NDArray[np.int64]) -> Inputs:
        """Give a batch's inputs."""
        if not self.parts:
            return self._compute(rows)
        places = torch.from_numpy(self.place[rows])
        level, *heard = (part[places].float().to(self.device) for part in self.parts)
        return Inputs(level, heard[0] if heard else None)

    def _compute(self, rows: NDArray[np.int64]) -> Inputs:
        return self.model.perceive(torch.from_numpy(self.data.waves(rows)).to(self.device))
