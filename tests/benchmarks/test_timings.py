from __future__ import annotations

import time

import pytest

from benchmarks.end_to_end import VAD_OFF, pcqtool_systems
from benchmarks.timings import Timings, covered_s
from pcqtool.batch import prefetch, run
from pcqtool.batch.device_pool import DevicePool
from pcqtool.labelling.settings import LabelSettings

NAP_S = 0.5


def labelled(sample, predictor):
    settings = LabelSettings(batch_size=2, jobs=1)
    system = pcqtool_systems(sample, predictor, settings)[VAD_OFF]
    system.run()  # warm
    return system


def nap_at_decoding(monkeypatch):
    plain = prefetch._read_piece

    def nap(*arguments):
        time.sleep(NAP_S)
        return plain(*arguments)

    monkeypatch.setattr(prefetch, "_read_piece", nap)


def test_shares_are_of_the_run_and_the_rest_is_rows_and_tables():
    timings = Timings(whole=10.0, decoding=1.0, network=6.0, busy=5.0)
    assert timings.busy_share == 0.5
    assert timings.shares() == pytest.approx({"decoding": 0.1, "the network": 0.6, "rows and tables": 0.3})


def test_a_run_that_waits_for_decoding_says_so(sample, tiny, monkeypatch):
    system = labelled(sample, tiny)
    nap_at_decoding(monkeypatch)
    timings = system.run()
    assert 0.9 * NAP_S <= timings.decoding <= timings.whole - timings.network


def test_a_run_that_waits_for_the_network_says_so_and_that_its_device_is_busy(sample, tiny):
    system = labelled(sample, tiny)
    hook = tiny.model.mlcnn.register_forward_hook(lambda *_: time.sleep(NAP_S))
    timings = system.run()
    hook.remove()
    assert 2 * NAP_S <= timings.busy <= timings.whole
    assert 1.9 * NAP_S <= timings.network <= timings.whole - timings.decoding


def test_what_a_device_computes_while_the_run_decodes_is_not_waited_for(sample, tiny, monkeypatch):
    system = labelled(sample, tiny)
    nap_at_decoding(monkeypatch)
    hook = tiny.model.mlcnn.register_forward_hook(lambda *_: time.sleep(NAP_S))
    timings = system.run()
    hook.remove()
    assert timings.busy >= 2 * NAP_S
    assert timings.decoding + timings.network <= timings.whole


def test_time_between_batches_is_not_the_device_s(sample, tiny, monkeypatch):
    system = labelled(sample, tiny)
    on_device = tiny._to_device

    def slow_copy(values):
        time.sleep(NAP_S if values.ndim == 2 else 0.0)  # the waves
        return on_device(values)

    monkeypatch.setattr(tiny, "_to_device", slow_copy)
    timings = system.run()
    assert timings.network - timings.busy >= 2 * NAP_S


def test_nothing_stays_behind(sample, tiny):
    labelled(sample, tiny)
    assert run.prefetch is prefetch.prefetch
    assert DevicePool.submit.__module__ == "pcqtool.batch.device_pool"
    assert not tiny.model._forward_hooks
    assert not tiny.model._forward_pre_hooks


def test_time_that_several_calls_share_counts_once():
    assert covered_s([(5.0, 6.0), (0.0, 2.0), (1.0, 3.0), (1.5, 2.5)]) == 4.0
    assert covered_s([]) == 0.0
