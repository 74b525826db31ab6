"""An evaluation's predictions as a Parquet table, in the schema of labelling's file table with more at its end."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pcqtool.audio.reader import describe
from pcqtool.audio.segment import SAMPLE_RATE
from pcqtool.corpora.base import Utterance
from pcqtool.files.display import display_path
from pcqtool.tables.order import in_order
from pcqtool.tables.schema import UNCALIBRATED_PREFIX, Status, predictions_schema, probability_columns
from pcqtool.training.data import SegmentSet


@dataclass(frozen=True)
class Predicted:
    """What one model said of utterances that it had not learnt from.

    Attributes:
        utterances: ``(N,)`` indices into the corpus's list.
        probabilities: ``(N, L)``, calibrated.
        uncalibrated: ``(N, L)``, without the temperature.
        temperature: the model's.
        fold: whose test part these are; None where nothing was trained.
        seed: of the training; None where nothing was trained.
    """

    utterances: Sequence[int]
    probabilities: NDArray[np.float64]
    uncalibrated: NDArray[np.float64]
    temperature: float
    fold: str | None = None
    seed: int | None = None


def tabulate(
    judged: Sequence[Predicted],
    utterances: Sequence[Utterance],
    data: SegmentSet,
    labels: Sequence[str],
    method: str,
    model: str,
) -> pa.Table:
    """Make the table of predictions, one row for each utterance and seed.

    Args:
        judged: what the models said.
        utterances: the corpus's list; ``file`` is relative to the folder that all its files lie in.
        data: its segments.
        labels: the L classes.
        method: rule from segments to file.
        model: name of the model, or of the recipe of many.
    """
    schema = predictions_schema(labels)
    about = cache(lambda index: _about(utterances[index], data.n_recorded(index), len(data.rows(index))))
    folder = _common_folder(utterances)
    rows = [
        about(index)
        | {"file": display_path(Path(os.path.relpath(utterances[index].path, folder)).as_posix())}
        | {"method": method, "status": Status.OK, "model": model}
        | said
        for each in judged
        for index, said in zip(each.utterances, _said(each, labels), strict=True)
    ]
    return in_order(pa.Table.from_pylist(rows, schema))


def _said(judged: Predicted, labels: Sequence[str]) -> Iterator[dict[str, Any]]:
    columns, raw = probability_columns(labels), [UNCALIBRATED_PREFIX + label for label in labels]
    run = {"fold": judged.fold, "seed": judged.seed, "temperature": judged.temperature}
    for calibrated, uncalibrated in zip(judged.probabilities, judged.uncalibrated, strict=True):
        best = int(calibrated.argmax())
        yield {
            "label": labels[best],
            "confidence": calibrated[best],
            **dict(zip(columns, calibrated.tolist(), strict=True)),
            **dict(zip(raw, uncalibrated.tolist(), strict=True)),
            **run,
        }


def _about(utterance: Utterance, n_samples: int, n_segments: int) -> dict[str, Any]:
    """Give what is known of an utterance before anything is said of it."""
    stat = utterance.path.stat()
    rate, note = _describe(utterance.path, utterance.channel)
    return {
        "channel": "mix" if utterance.channel is None else str(utterance.channel),
        "duration_s": n_samples / SAMPLE_RATE,
        "sample_rate": rate,
        "note": note,
        "n_segments": n_segments,
        "size_bytes": stat.st_size,
        "mtime": round(stat.st_mtime * 1e6),
        "truth": utterance.label,
        "speaker": utterance.speaker,
        "session": utterance.session,
        "text_id": utterance.text_id,
        "start_s": utterance.start_s,
        "end_s": utterance.end_s,
    }


_describe = cache(describe)  # of many utterances' one file


def _common_folder(utterances: Sequence[Utterance]) -> str:
    return os.path.commonpath([utterance.path.parent.absolute() for utterance in utterances])
