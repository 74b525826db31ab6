from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pcqtool.batch.names import FileSignature, Source, signature_of
from pcqtool.batch.plan import GRAIN, PART_BYTES, PART_FILES, make_plan

SIZES = st.lists(st.one_of(st.none(), st.integers(0, 2 * PART_BYTES)), max_size=40)


def sources_of(sizes):
    return [Source(f"{i:05d}.wav", Path(f"/{i}"), size, None if size is None else 1.0) for i, size in enumerate(sizes)]


@given(SIZES)
def test_parts_hold_every_input_once_in_order_and_are_bounded(sizes):
    sources = sources_of(sizes)
    plan = make_plan(sources, {})
    assert [source for part in plan.parts for source in part] == sources
    assert all(part for part in plan.parts)
    assert all(len(part) == 1 or sum(s.size_bytes or 0 for s in part) <= PART_BYTES for part in plan.parts)


def test_parts_are_bounded_in_files():
    plan = make_plan(sources_of([0] * (2 * PART_FILES + 1)), {})
    assert [len(part) for part in plan.parts] == [PART_FILES, PART_FILES, 1]


@given(SIZES, st.integers(0, 5))
def test_a_stopped_run_goes_on_with_the_same_parts(sizes, n_finished):
    sources = sources_of(sizes)
    parts = make_plan(sources, {}).parts
    done = {source.file: signature_of(source) for part in parts[:n_finished] for source in part}
    assert make_plan(sources, done).parts == parts[n_finished:]


@given(SIZES, st.integers(1, 8))
def test_parts_for_workers_hold_every_input_once_in_order_and_are_bounded(sizes, workers):
    sources = sources_of(sizes)
    parts = make_plan(sources, {}).parts_for(workers)
    assert [source for part in parts for source in part] == sources
    assert all(len(part) == 1 or sum(s.size_bytes or 0 for s in part) <= PART_BYTES for part in parts)
    assert parts == make_plan(sources, {}).parts_for(workers)


@pytest.mark.parametrize("workers", [2, 4, 16])
@pytest.mark.parametrize("n_files", [500, 5000])
def test_workers_end_at_about_the_same_time(workers, n_files):
    sizes = np.random.default_rng(n_files).integers(40_000, 200_000, n_files).tolist()
    parts = make_plan(sources_of(sizes), {}).parts_for(workers)
    assert len(parts) < 2 * workers * (1 + np.log(n_files))  # each costs two tables
    busy = [0] * workers
    for part in parts:
        busy[busy.index(min(busy))] += sum(source.size_bytes for source in part)
    assert max(busy) - min(busy) <= PART_BYTES / GRAIN
    assert max(busy) < 1.1 * sum(sizes) / workers + PART_BYTES / GRAIN


def test_one_worker_does_the_parts_of_the_plan():
    plan = make_plan(sources_of([1000] * 300), {})
    assert plan.parts_for(1) == plan.parts
    assert len(plan.parts_for(2)) > len(plan.parts)


def test_what_is_done_changed_and_new():
    sources = sources_of([1, 2, 3, None])
    done = {
        "00000.wav": FileSignature(1, 1_000_000),
        "00001.wav": FileSignature(9, 1_000_000),
        "00003.wav": FileSignature(None, None),
    }
    done["gone.wav"] = FileSignature(1, 1)
    plan = make_plan(sources, done)
    assert [source.file for part in plan.parts for source in part] == ["00001.wav", "00002.wav"]
    assert (plan.n_done, plan.n_todo, plan.stale) == (2, 2, {"00001.wav"})


def test_rows_of_a_recording_that_is_gone_stay_unless_it_is_to_be_tried_again():
    gone = sources_of([None])
    assert make_plan(gone, {"00000.wav": FileSignature(1, 1_000_000)}).n_done == 1
    assert make_plan(gone, {"00000.wav": FileSignature(None, None, retry=True)}).stale == {"00000.wav"}
    assert make_plan(gone, {}).n_todo == 1


@settings(deadline=None)  # the first conversion loads pandas
@given(st.integers(1_600_000_000 * 10**9, 1_900_000_000 * 10**9))
def test_a_time_is_the_same_after_a_trip_through_a_table(time_ns):
    """File systems keep nanoseconds, which the float of ``st_mtime`` and the table's microseconds round."""
    _, time_us, *_ = signature_of(Source("a", Path("a"), 0, time_ns * 1e-9))
    column = pa.Table.from_pylist([{"mtime": time_us}], pa.schema([("mtime", pa.timestamp("us", "UTC"))]))["mtime"]
    assert column.cast(pa.int64()).to_pylist() == [time_us]
    off = column.to_pylist()[0] - datetime.fromtimestamp(time_ns * 1e-9, UTC)
    assert abs(off) <= timedelta(microseconds=1)
