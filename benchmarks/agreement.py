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

Predicted = tuple[NDArray[np.float64], torch.Tensor | None]


def agreement(segments: Waves, predictor: SegmentPredictor, batch_size: int, plain: Predictor) -> dict[str, float]:
    """Compare two predictors on segments ``(S, N)``; the plain one predicts one segment at a time.

    The number of labels that occur and the median margin (the difference between a segment's two largest
    probabilities) show how easily labels would differ.
    """
    return compare(predict_with_frames(segments, predictor, batch_size), predict_with_frames(segments, plain, 1))


def compare(found: Predicted, expected: Predicted) -> dict[str, float]:
    """Compare predictions for the same segments with the expected ones."""
    (log_probs, frames), (expected_log_probs, expected_frames) = found, expected
    figures = {
        "segments": float(len(log_probs)),
        "labels equal": float((log_probs.argmax(1) == expected_log_probs.argmax(1)).mean()),
        "different labels": float(len(np.unique(expected_log_probs.argmax(1)))),
        "share of the commonest": float(np.bincount(expected_log_probs.argmax(1)).max() / len(log_probs)),
        "median margin": float(np.median(np.diff(np.sort(np.exp(expected_log_probs)))[:, -1])),
        "largest difference of a probability": float(np.abs(np.exp(log_probs) - np.exp(expected_log_probs)).max()),
    }
    if frames is not None and expected_frames is not None:
        error = torch.linalg.vector_norm(frames - expected_frames) / torch.linalg.vector_norm(expected_frames)
        figures["relative error of the encoder's frames"] = float(error)
    return figures


def predict_with_frames(segments: Waves, predictor: SegmentPredictor, batch_size: int) -> Predicted:
    """Return log-probabilities ``(S, L)`` and the encoder's frames ``(S, T, D)``.

    The frames are None without an encoder, and from OpenVINO, which does not show them.
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
