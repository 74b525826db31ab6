"""What Whisper's encoder needs to hear 3 s instead of 30 s: a table of positions of that length."""

from __future__ import annotations

from typing import Any

from torch import nn

WHISPER_FRAMES = 150  # of a segment of 3 s: hop of 10 ms, second convolution's stride of 2


def cut_positions(model: Any) -> None:
    """Cut a ``WhisperEncoder``'s table of positions to the first 3 s, so that 3 s cost 3 s and not 30 s."""
    table = model.embed_positions.weight[:WHISPER_FRAMES].clone()
    model.embed_positions = nn.Embedding(table.shape[0], table.shape[1], _weight=table, _freeze=True)
    model.max_source_positions = model.config.max_source_positions = len(table)
