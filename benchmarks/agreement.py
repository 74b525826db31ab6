"""Agreement of a fast network with a plain one in float32 on the CPU, and how hard it is to agree."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.baselines import predict
from benchmarks.sample import Waves
from pcqtool.model.predictor import Predictor
from pcqtool.model.segment_predictor import SegmentPredictor

N_COMPARED = 200
"""Largest number of segments that are compared."""


def agreement(segments: Waves, predictor: SegmentPredictor, batch_size: int, plain: Predictor) -> dict[str, float]:
    """Compare two predictors on segments ``(S, N)``; the plain one predicts one segment at a time.

    The number of labels that occur and the median margin (the difference between a segment's two largest
    probabilities) show how easily labels would differ.
    """
    log_probs, frames = _predict_with_frames(segments, predictor, batch_size)
    expected, expected_frames = _predict_with_frames(segments, plain, 1)
    found = {
        "segments": float(len(segments)),
        "labels equal": float((log_probs.argmax(1) == expected.argmax(1)).mean()),
        "different labels": float(len(np.unique(expected.argmax(1)))),
        "share of the commonest": float(np.bincount(expected.argmax(1)).max() / len(segments)),
        "median margin": float(np.median(np.diff(np.sort(np.exp(expected)))[:, -1])),
        "largest difference of a probability": float(np.abs(np.exp(log_probs) - np.exp(expected)).max()),
    }
    if frames is not None and expected_frames is not None:
        error = torch.linalg.vector_norm(frames - expected_frames) / torch.linalg.vector_norm(expected_frames)
        found["relative error of the encoder's frames"] = float(error)
    return found


def _predict_with_frames(
    segments: Waves, predictor: SegmentPredictor, batch_size: int
) -> tuple[NDArray[np.float64], torch.Tensor | None]:
    """Return log-probabilities ``(S, L)`` and the encoder's frames ``(S, T, D)``.

    The frames are None without an encoder, and from ONNX Runtime, which does not show them.
    """
    if not isinstance(predictor, Predictor):
        return predict(segments, predictor, batch_size), None
    frames: list[torch.Tensor] = []

    def keep(_: object, __: object, prediction: object) -> None:
        if (output := prediction.frames) is not None:  # type: ignore[attr-defined]
            frames.append(output.float().cpu())

    hook = predictor.model.register_forward_hook(keep)
    try:
        log_probs = predict(segments, predictor, batch_size)
    finally:
        hook.remove()
    return log_probs, torch.cat(frames) if frames else None
