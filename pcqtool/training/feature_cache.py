"""The feature cache: what front ends compute of a corpus, once for all folds, seeds and recipes.

For PCQ these are the hidden states of a frozen encoder, for other networks all outputs of the front end.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from pcqtool.errors import TrainingError
from pcqtool.model.encoders import Encoder
from pcqtool.model.network import AnyNetwork
from pcqtool.model.pcq import pool_frames
from pcqtool.progress import OnProgress, Progress, ignore
from pcqtool.training.blocks import Rows, cached_blocks, cut_into_blocks, joined
from pcqtool.training.data import SegmentSet
from pcqtool.training.precision import is_fast_in_bfloat16

_BATCH = 32
_FRONT_END_VERSION = 2  # raise it when an encoder's front end changes


def cache_states(
    encoder: Encoder,
    data: SegmentSet,
    device: torch.device,
    on_progress: OnProgress = ignore,
    frame_pool: int = 1,
    n_frames: int | None = None,
) -> Rows[np.float16]:
    """Return the hidden states of all segments, ``(S, n, T, D)``, memory-mapped from files that processes share.

    They are computed in bfloat16 where the device gains by it, and stored in float16, a block of utterances at a time,
    under a hash of the encoder's weights and layers and of the segments' samples. What cannot be written is kept in
    memory.

    Args:
        encoder: the encoder; its weights must not change.
        data: the segments.
        device: where to compute.
        on_progress: called after every batch.
        frame_pool: number of frames that are averaged, as the network does.
        n_frames: T, by averaging neighbouring frames; ``None`` for what ``frame_pool`` leaves.

    Raises:
        TrainingError: if a state exceeds the range of float16.
        CacheError: if the states fit neither into the cache nor into memory.
    """
    blocks, rows = _blocks(data)
    dtype = torch.bfloat16 if is_fast_in_bfloat16(device) else torch.float32
    prefix = _describe(encoder, frame_pool, n_frames) + str(dtype).encode()
    fast = copy.deepcopy(encoder).eval().to(device)
    fast.optimise_for_inference(dtype)
    keys = [_hash(prefix, *data.digests[block.start : block.stop]) for block in blocks]

    def build(number: int) -> tuple[int, Iterator[NDArray[np.float16]]]:
        return len(rows[number]), _encode(fast, data, rows[number], device, (frame_pool, n_frames), on_progress)

    return joined(cached_blocks("features", keys, [len(each) for each in rows], build))


def cache_features(
    model: AnyNetwork,
    settings: Sequence[object],
    data: SegmentSet,
    device: torch.device,
    on_progress: OnProgress = ignore,
) -> list[Rows[Any] | None]:
    """Return the outputs of a network's front end for all segments, memory-mapped from files as ``cache_states`` does.

    Args:
        model: the network, in evaluation mode on the device, with the weights of its encoder.
        settings: JSON values that decide the outputs, besides the encoder's weights.
        data: the segments.
        device: where to compute.
        on_progress: called after every batch.

    Raises:
        TrainingError: if an output is in bfloat16.

    Returns:
        An array ``(S, …)`` for each output; ``None`` for one that is the waves themselves.
    """
    prefix = json.dumps([_FRONT_END_VERSION, *settings], sort_keys=True).encode()
    model = copy.deepcopy(model)  # an encoder that has computed cannot be sent to other processes
    if model.encoder is not None and model.config.encoder.frozen:
        dtype = torch.bfloat16 if is_fast_in_bfloat16(device) else torch.float32
        prefix += _describe(model.encoder, 1, None) + str(dtype).encode()
        model.encoder.optimise_for_inference(dtype)
    with torch.inference_mode():
        waves, n_samples = _segments(data, np.arange(1), device)
        probe = model.front_end(waves, n_samples)
    if any(part.dtype == torch.bfloat16 for part in probe):
        raise TrainingError(
            "the front end returns bfloat16, which the cache cannot keep", "Return .half() or .float()."
        )
    is_kept = [part is not waves for part in probe]
    fields = [
        (str(number), part.cpu().numpy().dtype, tuple(part.shape[1:]))
        for number, part in enumerate(probe)
        if is_kept[number]
    ]
    if not fields:
        return [None] * len(probe)
    blocks, rows = _blocks(data)
    prefix += repr(fields).encode()
    keys = [_hash(prefix, *data.digests[block.start : block.stop]) for block in blocks]

    def build(number: int) -> tuple[int, Iterator[NDArray[np.void]]]:
        return len(rows[number]), _compute(model, np.dtype(fields), data, rows[number], device, on_progress)

    found = cached_blocks("features", keys, [len(each) for each in rows], build)
    return [joined([block[str(n)] for block in found]) if kept else None for n, kept in enumerate(is_kept)]


def states_fingerprint(encoder: Encoder, data: SegmentSet, frame_pool: int = 1, n_frames: int | None = None) -> str:
    """Hash everything that decides the hidden states: front end, weights, layers, frame rate, the segments' samples."""
    return _hash(_describe(encoder, frame_pool, n_frames), data.digest.encode())


def _describe(encoder: Encoder, frame_pool: int, n_frames: int | None) -> bytes:
    """Hash the encoder and the frame rate."""
    config = encoder.config
    settings = [_FRONT_END_VERSION, config.kind, dict(config.architecture), config.layers, frame_pool, n_frames]
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for name, tensor in sorted(encoder.state_dict().items()):
        if name != "mix":  # trained, and applied after the hidden states
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().numpy().data)
    return digest.digest()


def _blocks(data: SegmentSet) -> tuple[list[range], list[NDArray[np.int64]]]:
    """Divide a corpus into blocks: the utterances of each, and the rows of its segments."""
    blocks = cut_into_blocks(data.digests)
    ends = np.searchsorted(data.utterance, [block.stop for block in blocks])
    return blocks, [np.arange(start, end) for start, end in zip([0, *ends[:-1]], ends, strict=True)]


def _segments(data: SegmentSet, rows: NDArray[np.int64], device: torch.device) -> tuple[Tensor, Tensor]:
    """Return waves and numbers of samples of some rows."""
    return torch.from_numpy(data.waves(rows)).to(device), torch.from_numpy(data.n_samples[rows]).to(device)


def _compute(
    model: AnyNetwork,
    dtype: np.dtype[np.void],
    data: SegmentSet,
    block: NDArray[np.int64],
    device: torch.device,
    on_progress: OnProgress,
) -> Iterator[NDArray[np.void]]:
    """Yield the front end's outputs for a block of rows, batch by batch."""
    on_progress(Progress(int(block[0]), len(data.samples), "segments encoded"))
    for rows in data.batches(_BATCH, block):
        with torch.inference_mode():
            parts = model.front_end(*_segments(data, rows, device))
        found = np.empty(len(rows), dtype)
        for name in dtype.names or ():
            part = parts[int(name)]
            if not part.isfinite().all():
                raise TrainingError(
                    "the network's front end computes values that are not finite, or exceed half precision"
                )
            found[name] = part.cpu().numpy()
        yield found
        on_progress(Progress(int(rows[-1]) + 1, len(data.samples), "segments encoded"))


def _hash(*parts: bytes) -> str:
    return hashlib.sha256(b"".join(parts)).hexdigest()[:32]


def _encode(
    encoder: Encoder,
    data: SegmentSet,
    block: NDArray[np.int64],
    device: torch.device,
    frames: tuple[int, int | None],
    on_progress: OnProgress,
) -> Iterator[NDArray[np.float16]]:
    """Yield the states of a block of rows, batch by batch."""
    on_progress(Progress(int(block[0]), len(data.samples), "segments encoded"))
    for rows in data.batches(_BATCH, block):
        with torch.inference_mode():
            states = encoder.encode(torch.from_numpy(data.waves(rows)).to(device))  # (B, n, T, D)
            frame_pool, n_frames = frames
            states = pool_frames(states, frame_pool)
            if n_frames is not None:
                states = functional.adaptive_avg_pool2d(states, (n_frames, states.shape[3]))
            states = states.half().cpu()
        if not states.isfinite().all():
            raise TrainingError(
                "the encoder's hidden states exceed the range of half precision",
                "Set cache = false in your own recipe.",
            )
        yield states.contiguous().numpy()
        on_progress(Progress(int(rows[-1]) + 1, len(data.samples), "segments encoded"))
