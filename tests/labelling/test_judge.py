from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest

from pcqtool.audio.lane import Chunk
from pcqtool.labelling.judge import Judge, Track


def chunk(n, seed=0, speech=None, channel="0"):
    waves = np.random.default_rng(seed).normal(size=(n, 48)).astype(np.float32)
    shares = None if speech is None else np.array(speech, np.float32)
    return Chunk(channel, 0, waves, np.full(n, 48), shares)


@pytest.mark.parametrize("batch_size", [1, 2, 7, 64])
def test_every_segment_is_judged_by_itself_in_whatever_batch(predictor, batch_size):
    judge = Judge(predictor, batch_size, 0.1)
    tracks, chunks = [Track("0") for _ in range(5)], [chunk(n, seed=n) for n in (3, 1, 8, 0, 5)]
    for track, one in zip(tracks, chunks, strict=True):
        judge.add(track, one)
    judge.finish()
    judge.finish()  # nothing is left to do
    assert max(predictor.batches) <= batch_size
    assert sum(predictor.batches) == 17
    for track, one in zip(tracks, chunks, strict=True):
        assert track.n_samples == [48] * len(one.waves)
        assert list(track.log_probs) == list(range(len(one.waves)))
        if track.log_probs:
            np.testing.assert_array_equal(list(track.log_probs.values()), predictor.log_probs(one.waves))


def test_segments_without_speech_are_not_judged(predictor):
    judge, track = Judge(predictor, 4, 0.1), Track("0")
    judge.add(track, chunk(4, speech=[0.0, 0.5, 0.05, 1.0]))
    judge.add(track, chunk(2, speech=[0.25, 0.0]))
    judge.finish()
    assert list(track.log_probs) == [1, 3, 4]
    assert predictor.batches == [3]
    assert track.speech_s == pytest.approx(1.8 * 48 / 16000)


def test_without_voice_activity_detection_all_are_judged_and_speech_is_unknown(predictor):
    judge, track = Judge(predictor, 4, 0.1), Track("0")
    judge.add(track, chunk(3))
    judge.finish()
    assert list(track.log_probs) == [0, 1, 2]
    assert track.speech_s is None


def test_waiting_segments_do_not_keep_their_chunks_in_memory(predictor):
    judge = Judge(predictor, 64, 0.1)
    one = chunk(10)
    waves = weakref.ref(one.waves)
    judge.add(Track("0"), one)
    del one
    gc.collect()
    assert waves() is None


def test_the_model_is_told_how_long_each_segment_is(predictor):
    judge, track = Judge(predictor, 3, 0.1), Track("0")
    one = chunk(5, speech=[1.0, 0.0, 1.0, 1.0, 1.0])
    one.n_samples[-1] = 7
    judge.add(track, one)
    judge.finish()
    assert predictor.n_samples == [48, 48, 48, 7]
