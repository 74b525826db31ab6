"""The feature cache: a frozen encoder's hidden states of a corpus, computed once for all folds, seeds and recipes."""

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
from pcqtool.training.data import SegmentSet
from pcqtool.training.disk_cache import SealedFile, cache_folder, cache_writer, fall_back_to_memory, is_intact

_BATCH = 32
_BYTES = 2  # of a float16
_FRONT_END_VERSION = 2  # raise it when an encoder's front end changes

OnSegments = Callable[[int, int], None]
"""Called with the number of segments that are encoded, and their total."""


def cache_states(
    encoder: Encoder,
    data: SegmentSet,
    device: torch.device,
    on_progress: OnSegments = lambda done, total: None,
    n_frames: int | None = None,
) -> NDArray[np.float16]:
    """Return the hidden states of all segments, ``(S, n, T, D)``, memory-mapped from a file that processes share.

    They are computed in float32 and stored in float16 under a hash of the encoder's weights and layers and of the
    segments' samples. If the file cannot be written, they are kept in memory.

    Args:
        encoder: the encoder; its weights must not change.
        data: the segments.
        device: where to compute.
        on_progress: called after every batch.
        n_frames: T, by averaging neighbouring frames; ``None`` for the encoder's own frames.

    Raises:
        TrainingError: if a state exceeds the range of float16.
        CacheError: if the states fit neither into the cache nor into memory.
    """
    path = cache_folder() / "features" / f"{states_fingerprint(encoder, data, n_frames)}.npy"
    if not is_intact(path):
        encoder.eval().to(device)
        n = len(data.samples)
        try:
            _write(path, _encode(encoder, data, device, n_frames), n, on_progress)
        except CacheError as error:
            return _collect(_encode(encoder, data, device, n_frames), n, on_progress, error)
    states: NDArray[np.float16] = np.load(path, mmap_mode="r", allow_pickle=False)
    return states


def states_fingerprint(encoder: Encoder, data: SegmentSet, n_frames: int | None = None) -> str:
    """Hash everything that decides the hidden states: front end, weights, layers, frame rate, the segments' samples."""
    config = encoder.config
    settings = [_FRONT_END_VERSION, config.kind, dict(config.architecture), config.layers, n_frames]
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for name, tensor in sorted(encoder.state_dict().items()):
        if name != "mix":  # trained, and applied after the hidden states
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().numpy().data)
    digest.update(data.digest.encode())
    return digest.hexdigest()[:32]


def _write(path: Path, batches: Iterator[NDArray[np.float16]], n_segments: int, on_progress: OnSegments) -> None:
    first = next(batches)
    shape = (n_segments, *first.shape[1:])
    with cache_writer(path, int(np.prod(shape)) * _BYTES) as file:
        _write_header(file, shape)
        done = 0
        for states in itertools.chain([first], batches):
            file.write(states.data)
            done += len(states)
            on_progress(done, n_segments)


def _collect(
    batches: Iterator[NDArray[np.float16]], n_segments: int, on_progress: OnSegments, error: CacheError
) -> NDArray[np.float16]:
    first = next(batches)
    shape = (n_segments, *first.shape[1:])
    fall_back_to_memory(error, int(np.prod(shape)) * _BYTES)
    states, done = np.empty(shape, np.float16), 0
    for batch in itertools.chain([first], batches):
        states[done : done + len(batch)] = batch
        done += len(batch)
        on_progress(done, n_segments)
    return states


def _encode(
    encoder: Encoder, data: SegmentSet, device: torch.device, n_frames: int | None
) -> Iterator[NDArray[np.float16]]:
    for rows in data.batches(_BATCH):
        with torch.inference_mode():
            states = encoder.encode(torch.from_numpy(data.waves(rows)).to(device))  # (B, n, T, D)
            if n_frames is not None:
                states = functional.adaptive_avg_pool2d(states, (n_frames, states.shape[3]))
            states = states.half().cpu()
        if not states.isfinite().all():
            raise TrainingError(
                "the encoder's hidden states exceed the range of half precision",
                "Set cache = false in your own recipe.",
            )
        yield states.contiguous().numpy()


def _write_header(file: SealedFile, shape: tuple[int, ...]) -> None:
    header = {"descr": np.lib.format.dtype_to_descr(np.dtype(np.float16)), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)
