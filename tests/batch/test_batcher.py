from __future__ import annotations

import gc
import threading
import time
import weakref
from dataclasses import replace

import numpy as np
import pytest

from pcqtool.audio.channel_segmenter import Chunk
from pcqtool.batch.batcher import Batcher, ChannelState
from pcqtool.errors import ModelError
from pcqtool.labelling.settings import LabelSettings
from pcqtool.labelling.task import Labelling


def batches_of(predictor, batch_size, replicas=()):
    return Batcher(Labelling(predictor, LabelSettings(batch_size=batch_size, min_speech_s=0.0), None, replicas))


def judged(predictor, batch_size, n, replicas=()):
    """What comes of some segments."""
    batches, track = batches_of(predictor, batch_size, replicas), ChannelState("0", accumulator=None)
    batches.add(track, chunk(n))
    batches.finish()
    batches.close()
    return np.array([track.values[number] for number in range(n)])


def chunk(n, seed=0, speech=None, channel="0"):
    waves = np.random.default_rng(seed).normal(size=(n, 48)).astype(np.float32)
    shares = None if speech is None else np.array(speech, np.float32)
    n_speech = None if shares is None else round(48 * float(shares.sum()))
    return Chunk(channel, 48 * np.arange(n), waves, np.full(n, 48), shares, n_speech=n_speech)


@pytest.mark.parametrize("batch_size", [1, 2, 7, 64])
def test_every_segment_is_batched_by_itself_in_whatever_batch(predictor, batch_size):
    batches = batches_of(predictor, batch_size)
    tracks, chunks = (
        [ChannelState("0", accumulator=None) for _ in range(5)],
        [chunk(n, seed=n) for n in (3, 1, 8, 0, 5)],
    )
    for track, one in zip(tracks, chunks, strict=True):
        batches.add(track, one)
    batches.finish()
    batches.finish()  # nothing is left to do
    assert max(predictor.batches) <= batch_size
    assert sum(predictor.batches) == 17
    for track, one in zip(tracks, chunks, strict=True):
        assert [span.n_samples for span in track.spans] == [48] * len(one.waves)
        assert list(track.values) == list(range(len(one.waves)))
        if track.values:
            np.testing.assert_array_equal(list(track.values.values()), predictor.log_probs(one.waves))


def test_segments_without_speech_are_not_batched(predictor):
    batches, track = batches_of(predictor, 4), ChannelState("0", accumulator=None)
    batches.add(track, chunk(4, speech=[0.0, 0.5, 0.05, 1.0]))
    batches.add(track, chunk(2, speech=[0.25, 0.0]))
    batches.finish()
    assert list(track.values) == [1, 3, 4]
    assert predictor.batches == [3]
    assert track.speech_s == pytest.approx(1.8 * 48 / 16000, rel=0.02)


def test_silence_at_edges_is_cut_off_for_a_judgement_and_not_for_frames(predictor):
    one = replace(chunk(3, speech=[0.5, 1.0, 0.5]), speech_span=np.array([[10, 30], [0, 48], [20, 48]]))
    heard = {}
    for cuts in (True, False):
        work = Labelling(predictor, LabelSettings(batch_size=2, min_speech_s=0.0), None)
        work.trims_silence = cuts
        batches, track = Batcher(work), ChannelState("0", accumulator=None)
        batches.add(track, one)
        batches.finish()
        assert [span.n_samples for span in track.spans] == [48, 48, 48]
        heard[cuts] = track
    assert [[span.n_valid for span in heard[cuts].spans] for cuts in (True, False)] == [[20, 48, 28], [48, 48, 48]]
    waves = np.stack(
        [np.pad(wave[a:b], (0, 48 - b + a)) for wave, (a, b) in zip(one.waves, one.speech_span, strict=True)]
    )
    np.testing.assert_array_equal(list(heard[True].values.values()), predictor.log_probs(waves))
    np.testing.assert_array_equal(list(heard[False].values.values()), predictor.log_probs(one.waves))


def test_without_voice_activity_detection_all_are_batched_and_speech_is_unknown(predictor):
    batches, track = batches_of(predictor, 4), ChannelState("0", accumulator=None)
    batches.add(track, chunk(3))
    batches.finish()
    assert list(track.values) == [0, 1, 2]
    assert track.speech_s is None


def test_waiting_segments_do_not_keep_their_chunks_in_memory(predictor):
    batches = batches_of(predictor, 64)
    one = chunk(10)
    waves = weakref.ref(one.waves)
    batches.add(ChannelState("0", accumulator=None), one)
    del one
    gc.collect()
    assert waves() is None


def test_the_model_is_told_how_long_each_segment_is(predictor):
    batches, track = batches_of(predictor, 3), ChannelState("0", accumulator=None)
    one = chunk(5, speech=[1.0, 0.0, 1.0, 1.0, 1.0])
    one.n_samples[-1] = 7
    batches.add(track, one)
    batches.finish()
    assert predictor.n_samples == [48, 48, 48, 7]


def test_no_memory_for_one_segment_ends_the_run(predictor):
    def full(waves, n_samples=None):
        raise MemoryError("no room")

    predictor.log_probs = full
    with pytest.raises(ModelError, match="not enough memory"):
        judged(predictor, 4, 4)


def narrow(predictor, n_fitting):
    """Let no more segments fit at once."""
    log_probs = predictor.log_probs

    def narrowed(waves, n_samples=None):
        if len(waves) > n_fitting:
            raise MemoryError("no room")
        return log_probs(waves, n_samples)

    predictor.log_probs = narrowed
    return predictor


@pytest.mark.parametrize("n_fitting", [1, 3, 6])
def test_a_batch_that_does_not_fit_into_memory_is_computed_in_pieces(predictor, n_fitting):
    expected = judged(predictor, 7, 10)
    predictor.batches = []
    found = judged(narrow(predictor, n_fitting), 7, 10)
    assert max(predictor.batches) <= n_fitting
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("n_fitting", [2, 100])
@pytest.mark.parametrize("n", [0, 1, 5, 70])
def test_several_devices_give_what_one_gives(predictor, n, n_fitting):
    expected = judged(predictor, 4, n)
    first, second = narrow(type(predictor)(), n_fitting), type(predictor)()
    np.testing.assert_array_equal(judged(first, 4, n, [second]), expected)
    assert sum(first.batches) + sum(second.batches) == n


def test_batches_under_way_are_bounded_and_settle_in_order(predictor):
    """One device is held up: the other does no more than what may be under way."""
    go, held, other = threading.Event(), predictor, type(predictor)()
    log_probs = held.log_probs
    held.log_probs = lambda *given: go.wait(60) and log_probs(*given)
    batches, track = batches_of(held, 2, [other]), ChannelState("0", accumulator=None)
    adding = threading.Thread(target=batches.add, args=(track, chunk(40)))
    adding.start()
    adding.join(0.5)
    assert adding.is_alive()
    assert len(track.spans) == 2 * (batches._devices.n_ahead + 1)
    assert not track.values
    go.set()
    adding.join(60)
    batches.finish()
    assert list(track.values) == list(range(40))
    batches.close()


def test_a_fault_of_any_device_ends_the_run(predictor):
    def broken(waves, n_samples=None):
        raise ModelError("damaged")

    second = type(predictor)()
    predictor.log_probs = second.log_probs = broken
    with pytest.raises(ModelError, match="damaged"):
        judged(predictor, 2, 9, [second])


def test_the_memory_of_a_batch_is_used_again_only_when_it_is_done(predictor):
    memory, log_probs = [], predictor.log_probs

    def slow(waves, n_samples=None):
        before = waves.copy()
        memory.append(waves.ctypes.data)
        time.sleep(0.01)
        np.testing.assert_array_equal(waves, before)
        return log_probs(waves, n_samples)

    expected = judged(type(predictor)(), 4, 30)
    predictor.log_probs = slow
    np.testing.assert_array_equal(judged(predictor, 4, 30), expected)
    assert len(set(memory)) < len(memory)
