"""The feature cache: a frozen encoder's hidden states of a corpus, computed once for all folds, seeds and recipes."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from pcqtool.errors import TrainingError
from pcqtool.model.encoders import Encoder
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
    blocks = cut_into_blocks(data.digests)
    ends = np.searchsorted(data.utterance, [block.stop for block in blocks])  # rows of the segments
    rows = [np.arange(start, end) for start, end in zip([0, *ends[:-1]], ends, strict=True)]
    dtype = torch.bfloat16 if is_fast_in_bfloat16(device) else torch.float32
    prefix = _describe(encoder, frame_pool, n_frames) + str(dtype).encode()
    fast = copy.deepcopy(encoder).eval().to(device)
    fast.optimise_for_inference(dtype)
    keys = [_hash(prefix, *data.digests[block.start : block.stop]) for block in blocks]

    def build(number: int) -> tuple[int, Iterator[NDArray[np.float16]]]:
        return len(rows[number]), _encode(fast, data, rows[number], device, (frame_pool, n_frames), on_progress)

    return joined(cached_blocks("features", keys, [len(each) for each in rows], build))


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
