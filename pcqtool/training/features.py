"""The feature cache: what a frozen encoder makes of a corpus, computed once for all folds, seeds and recipes."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from pcqtool.errors import TrainingError
from pcqtool.model.encoders import Encoder
from pcqtool.training.cache import cache_folder, caching
from pcqtool.training.data import SegmentSet

_BATCH = 32
_HALF = 2  # bytes
_FRONT_END = 2  # to be raised when an encoder's front end changes


def keep_states(
    encoder: Encoder,
    data: SegmentSet,
    device: torch.device,
    on_batch: Callable[[int, int], None] = lambda done, total: None,
    n_frames: int | None = None,
) -> NDArray[np.float16]:
    """Give the hidden states of all segments and views, ``(S, n, T, D)``, from a file that processes share in memory.

    They are computed in float32, kept in half precision, and found again by the encoder's weights and layers and the
    segments' samples.

    Args:
        encoder: a frozen one.
        data: the segments.
        device: where to compute.
        on_batch: told how many segments of how many are done.
        n_frames: T, neighbouring frames averaged; ``None`` for all that the encoder gives.

    Raises:
        TrainingError: if the folder cannot be written to or has too little room, or a state does not fit into half
            precision.
    """
    path = cache_folder() / "features" / f"{fingerprint(encoder, data, n_frames)}.npy"
    if not path.is_file():
        _write(path, _compute(encoder.eval().to(device), data, device, n_frames), len(data.samples), on_batch)
    states: NDArray[np.float16] = np.load(path, mmap_mode="r", allow_pickle=False)
    return states


def fingerprint(encoder: Encoder, data: SegmentSet, n_frames: int | None = None) -> str:
    """Hash what decides the hidden states: front end, weights, architecture, layers, rate, the segments' samples."""
    config = encoder.config
    decisive = [_FRONT_END, config.kind, dict(config.architecture), config.layers, n_frames]
    digest = hashlib.sha256(json.dumps(decisive, sort_keys=True).encode())
    for name, tensor in sorted(encoder.state_dict().items()):
        if name != "mix":  # learnt, and behind the hidden states
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().numpy().data)
    digest.update(data.digest.encode())
    return digest.hexdigest()[:32]


def _write(
    path: Path, batches: Iterator[NDArray[np.float16]], n_segments: int, on_batch: Callable[[int, int], None]
) -> None:
    first = next(batches)
    shape = (n_segments, *first.shape[1:])
    with caching(path, int(np.prod(shape)) * _HALF) as file:
        _write_header(file, shape)
        done = 0
        for states in itertools.chain([first], batches):
            file.write(states.data)
            done += len(states)
            on_batch(done, shape[0])


def _compute(
    encoder: Encoder, data: SegmentSet, device: torch.device, n_frames: int | None
) -> Iterator[NDArray[np.float16]]:
    for start in range(0, len(data.samples), _BATCH):
        rows = np.arange(start, min(start + _BATCH, len(data.samples)))
        with torch.inference_mode():
            states = encoder.states(torch.from_numpy(data.waves(rows)).to(device))
            if n_frames is not None:
                states = functional.adaptive_avg_pool2d(states, (n_frames, states.shape[3]))
            states = states.half().cpu()
        if not states.isfinite().all():
            raise TrainingError(
                "the encoder's hidden states do not fit into half precision",
                "Set cache = false in a recipe of your own.",
            )
        yield states.contiguous().numpy()


def _write_header(file: BinaryIO, shape: tuple[int, ...]) -> None:
    header = {"descr": np.lib.format.dtype_to_descr(np.dtype(np.float16)), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)
