"""The feature cache: what a frozen encoder makes of a corpus, computed once for all folds, seeds and recipes."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from pcqtool.errors import CacheError, TrainingError
from pcqtool.model.encoders import Encoder
from pcqtool.training.cache import Sealed, cache_folder, caching, hold, is_whole
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
    """Return the hidden states of all segments and views, ``(S, n, T, D)``, from a file that processes share in memory.

    They are computed in float32, kept in half precision, and found again by the encoder's weights and layers and the
    segments' samples. Where the file cannot be written, they are held in memory.

    Args:
        encoder: a frozen one.
        data: the segments.
        device: where to compute.
        on_batch: told how many segments of how many are done.
        n_frames: T, neighbouring frames averaged; ``None`` for all that the encoder gives.

    Raises:
        TrainingError: if a state does not fit into half precision.
        CacheError: if neither the folder nor the machine's memory has room for them.
    """
    path = cache_folder() / "features" / f"{fingerprint(encoder, data, n_frames)}.npy"
    if not is_whole(path):
        encoder.eval().to(device)
        try:
            _write(path, _compute(encoder, data, device, n_frames), len(data.samples), on_batch)
        except CacheError as fault:
            return _collect(_compute(encoder, data, device, n_frames), len(data.samples), on_batch, fault)
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


def _collect(
    batches: Iterator[NDArray[np.float16]], n_segments: int, on_batch: Callable[[int, int], None], fault: CacheError
) -> NDArray[np.float16]:
    first = next(batches)
    shape = (n_segments, *first.shape[1:])
    hold(fault, int(np.prod(shape)) * _HALF)
    states, done = np.empty(shape, np.float16), 0
    for batch in itertools.chain([first], batches):
        states[done : done + len(batch)] = batch
        done += len(batch)
        on_batch(done, n_segments)
    return states


def _compute(
    encoder: Encoder, data: SegmentSet, device: torch.device, n_frames: int | None
) -> Iterator[NDArray[np.float16]]:
    for start in range(0, len(data.samples), _BATCH):
        rows = np.arange(start, min(start + _BATCH, len(data.samples)))
        with torch.inference_mode():
            states = encoder.encode(torch.from_numpy(data.waves(rows)).to(device))
            if n_frames is not None:
                states = functional.adaptive_avg_pool2d(states, (n_frames, states.shape[3]))
            states = states.half().cpu()
        if not states.isfinite().all():
            raise TrainingError(
                "the encoder's hidden states do not fit into half precision",
                "Set cache = false in a recipe of your own.",
            )
        yield states.contiguous().numpy()


def _write_header(file: Sealed, shape: tuple[int, ...]) -> None:
    header = {"descr": np.lib.format.dtype_to_descr(np.dtype(np.float16)), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)
