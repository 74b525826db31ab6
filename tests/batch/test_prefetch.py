from __future__ import annotations

import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from pcqtool.audio.limits import Limits
from pcqtool.audio.reader import ReaderOptions, RecordingInfo, SegmentReader
from pcqtool.batch import prefetch as prefetch_module
from pcqtool.batch.isolation import PIECE_CHUNKS
from pcqtool.batch.names import Source, find_sources
from pcqtool.batch.prefetch import open_source, prefetch
from pcqtool.batch.settings import BatchSettings
from pcqtool.errors import ModelError

NO_VAD = ReaderOptions(vad=False)


def here(n_jobs=1):
    """Decode in this process, where tests can put something else in the decoder's place."""
    return BatchSettings(NO_VAD, jobs=n_jobs, timeout_s=0)


class FakeReader:
    """As many chunks as the source has bytes; keeps count of how many are decoded at a time."""

    lock = threading.Lock()
    n_decoded = 0

    def __init__(self, path, options, limits, turns=None):
        self.path = Path(path)
        self.info = RecordingInfo()

    def __iter__(self):
        for number in range(int(self.path.name)):
            with self.lock:
                FakeReader.n_decoded += 1
            yield number


def run_to_end(source, settings):
    """All chunks of a recording, and its last piece."""
    read = open_source(source, settings)
    pieces = [read()]
    while not pieces[-1].is_last:
        pieces.append(read())
    return [chunk for piece in pieces for chunk in piece.chunks], pieces[-1]


def all_of(sources, settings):
    waves = {}
    for piece in prefetch(sources, settings):
        waves.setdefault(piece.source.file, []).extend(chunk.waves for chunk in piece.chunks)
    return {file: np.concatenate(pieces) for file, pieces in waves.items()}


@pytest.mark.parametrize("timeout_s", [0, 300])
@pytest.mark.parametrize("n_jobs", [1, 2, 5])
def test_pieces_are_what_reading_alone_gives(call_folder, write_wave, n_jobs, timeout_s):
    write_wave("calls/long.wav", seconds=PIECE_CHUNKS * 30 + 31, rate=8000)  # two pieces
    sources = find_sources([call_folder])
    found = all_of(sources, BatchSettings(NO_VAD, jobs=n_jobs, timeout_s=timeout_s))
    assert list(found) == [source.file for source in sources]
    for source in sources:
        np.testing.assert_array_equal(
            found[source.file], np.concatenate([c.waves for c in SegmentReader(source.path, NO_VAD)])
        )


def test_order_does_not_depend_on_which_thread_is_faster(monkeypatch):
    class Slow(FakeReader):
        def __iter__(self):
            for number in super().__iter__():
                time.sleep(np.random.default_rng().uniform(0, 0.002))
                yield number

    monkeypatch.setattr(prefetch_module, "SegmentReader", Slow)
    sources = [Source(str(i), Path(str(n)), n, 0.0) for i, n in enumerate([3, 9, 0, 4, 1, 17, 2, 8])]
    orders = {tuple((piece.source.file, tuple(piece.chunks)) for piece in prefetch(sources, here(3))) for _ in range(5)}
    assert len(orders) == 1
    for source in sources:
        given = [number for file, chunks in next(iter(orders)) for number in chunks if file == source.file]
        assert given == list(range(source.size_bytes))


@pytest.mark.parametrize("n_jobs", [1, 3])
def test_sequentially_a_recording_comes_to_its_end_before_the_next(monkeypatch, n_jobs):
    monkeypatch.setattr(prefetch_module, "SegmentReader", FakeReader)
    sources = [Source(str(i), Path(str(n)), n, 0.0) for i, n in enumerate([3, 90, 0, 4, 1, 17, 2, 8])]
    given = [
        (piece.source.file, number)
        for piece in prefetch(sources, here(n_jobs), sequential=True)
        for number in piece.chunks
    ]
    assert given == [(source.file, number) for source in sources for number in range(source.size_bytes)]


@pytest.mark.parametrize("sequential", [False, True])
@pytest.mark.parametrize(("n_jobs", "lengths"), [(1, [100]), (2, [100] * 10), (2, [1] * 200)])
def test_decoding_never_runs_far_ahead_of_the_model(monkeypatch, n_jobs, lengths, sequential):
    monkeypatch.setattr(prefetch_module, "SegmentReader", FakeReader)
    FakeReader.n_decoded = n_taken = 0
    sources = [Source("x", Path(str(n)), n, 0.0) for n in lengths]
    for piece in prefetch(sources, here(n_jobs), sequential):
        time.sleep(0.001)
        n_taken += len(piece.chunks)
        assert FakeReader.n_decoded - n_taken <= 2 * n_jobs * PIECE_CHUNKS
    assert n_taken == sum(lengths)


@pytest.mark.parametrize("n_taken", [0, 1, 7])
def test_stopping_early_leaves_no_thread_behind(monkeypatch, n_taken):
    monkeypatch.setattr(prefetch_module, "SegmentReader", FakeReader)
    before = threading.active_count()
    pieces = prefetch([Source("x", Path("1000"), 1, 0.0)] * 50, here(2))
    for _ in range(n_taken):
        next(pieces)
    pieces.close()
    FakeReader.n_decoded = 0
    time.sleep(0.05)
    assert FakeReader.n_decoded == 0
    assert threading.active_count() == before


def test_whatever_a_decoder_raises_is_the_files_fault(monkeypatch):
    class Broken(FakeReader):
        def __iter__(self):
            yield from range(5)
            raise ZeroDivisionError("in\nthe codec \udcff")

    monkeypatch.setattr(prefetch_module, "SegmentReader", Broken)
    chunks, last = run_to_end(Source("x", Path("x"), 1, 0.0), here())
    assert chunks == list(range(5))
    assert (last.failure.reason, last.failure.retry) == ("ZeroDivisionError: in the codec \\udcff", False)


def test_what_is_not_the_files_fault_ends_the_run(monkeypatch):
    class Uninstalled(FakeReader):
        def __iter__(self):
            raise ModelError("no voice activity detection")
            yield

    monkeypatch.setattr(prefetch_module, "SegmentReader", Uninstalled)
    with pytest.raises(ModelError):
        list(prefetch([Source("x", Path("x"), 1, 0.0)] * 9, here(2)))


def test_reasons_do_not_name_the_folder(tmp_path):
    """Tables of the same recordings are the same wherever these lie."""
    path = tmp_path / "odd\nname \udcff.wav"
    path.write_bytes(b"not a recording at all")
    for source in (Source("a", path, 22, 0.0), Source("b", tmp_path / "missing.wav", None, None)):
        chunks, last = run_to_end(source, here())
        assert chunks == []
        assert last.failure.reason
        assert str(tmp_path) not in last.failure.reason
        assert "\n" not in last.failure.reason


def test_a_fault_half_way_is_in_the_last_piece_and_not_raised(tmp_path):
    soundfile.write(tmp_path / "long.wav", np.zeros(PIECE_CHUNKS * 40 * 8000, np.int16), 8000)
    limits = Limits(max_duration_s=PIECE_CHUNKS * 30 + 20.0)
    source = Source("long.wav", tmp_path / "long.wav", 1, 0.0)
    chunks, last = run_to_end(source, replace(here(), limits=limits))
    assert len(chunks) == PIECE_CHUNKS
    assert "longer than the limit" in last.failure.reason


def test_each_recording_has_one_last_piece(monkeypatch):
    monkeypatch.setattr(prefetch_module, "SegmentReader", FakeReader)
    sources = [Source(str(i), Path(str(n)), n, 0.0) for i, n in enumerate([0, 1, PIECE_CHUNKS, PIECE_CHUNKS + 1, 50])]
    lasts, seen = [], []
    for piece in prefetch(sources, here(2)):
        time.sleep(0.01)  # the threads come to the ends meanwhile
        assert piece.source.file not in lasts
        seen.append(piece.source.file)
        lasts += [piece.source.file] * piece.is_last
    assert sorted(lasts) == sorted(set(seen)) == list("01234")
