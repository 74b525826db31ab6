from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from pcqtool.audio.segment import SegmentSpan
from pcqtool.features.settings import FeatureSettings
from pcqtool.features.task import Extraction
from pcqtool.tables.feature_schema import shape_of


def extraction(what="frames", of="frames", shape=(6, 2)):
    return Extraction(SimpleNamespace(shape=shape), FeatureSettings(what=what, of=of))


def test_steps_in_the_padding_count_for_nothing_and_segments_for_their_duration():
    statistics = extraction().new_accumulator()
    whole = np.arange(12, dtype=np.float32).reshape(6, 2)
    short = np.array([[100, 100], [200, 200], *[[np.inf, np.inf]] * 4], np.float32)
    row = statistics.add(whole, SegmentSpan(0, 48000, 48000))
    np.testing.assert_array_equal(row["frames"].reshape(6, 2), whole)
    statistics.add(short, SegmentSpan(0, 16000, 16000))  # a third of 3 s: two steps of six
    result = statistics.result()
    mean = 0.75 * whole.mean(axis=0) + 0.25 * 150
    np.testing.assert_allclose(result["frames_mean"], mean)
    variance = 0.75 * ((whole - mean) ** 2).mean(axis=0) + 0.25 * ((short[:2] - mean) ** 2).mean(axis=0)
    np.testing.assert_allclose(result["frames_sd"], np.sqrt(variance), rtol=1e-6)


def test_the_first_step_always_counts():
    statistics = extraction().new_accumulator()
    statistics.add(np.arange(12, dtype=np.float32).reshape(6, 2), SegmentSpan(0, 1, 1))
    assert statistics.result()["frames_mean"].tolist() == [0.0, 1.0]
    assert statistics.result()["frames_sd"].tolist() == [0.0, 0.0]


def test_a_vector_of_a_segment_is_one_step():
    statistics = extraction("fusion", shape=(2,)).new_accumulator()
    statistics.add(np.array([1, 2], np.float32), SegmentSpan(0, 48000, 48000))
    statistics.add(np.array([5, 2], np.float32), SegmentSpan(0, 16000, 16000))
    assert statistics.result()["fusion_mean"].tolist() == [2.0, 2.0]


@pytest.mark.parametrize(("what", "shape"), [("frames", (6, 2)), ("fusion", (2,)), ("spectrogram", (300, 200))])
def test_schemas_tell_the_shapes(what, shape):
    work = extraction(what, shape=shape)
    assert shape_of(work.schema("segments").field(what)) == shape
    assert shape_of(work.schema("files").field(f"{what}_sd")) == shape[-1:]


def test_statistics_alone_leave_the_segments_without_arrays():
    work = extraction("statistics", of="frames")
    assert "frames" not in work.schema("segments").names
    assert "frames_mean" in work.schema("files").names
    assert work.new_accumulator().add(np.zeros((6, 2), np.float32), SegmentSpan(0, 48000, 48000)) == {}
