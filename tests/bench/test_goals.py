from __future__ import annotations

from dataclasses import replace

from pcqtool.bench.bench import Result
from pcqtool.bench.contenders import PLAIN_LOOP, VAD_OFF
from pcqtool.bench.goals import goals
from pcqtool.bench.marks import Marks
from pcqtool.bench.network import Part
from pcqtool.bench.rounds import Outcome

RESULT = Result(
    about={},
    on_gpu=False,
    audio_s=600.0,
    warm_up_s={},
    stages_s={},
    parts={"encoder": Part(0.5, 100, "bfloat16", 400.0)},
    end_to_end={VAD_OFF: Outcome([40.0, 50.0], Marks(10.0, 1.0, 9.0, 8.5)), PLAIN_LOOP: Outcome([9.0])},
    agreement={"labels equal": 0.99},
    peak_mb={},
)


def measured(result):
    return [(goal.least, goal.measured) for goal in goals(result)]


def test_on_a_cpu_the_plain_loop_and_the_labels_count():
    assert measured(RESULT) == [(4.0, 5.0), (0.995, 0.99)]


def test_on_a_gpu_the_ceiling_the_run_and_its_device_count():
    assert measured(replace(RESULT, on_gpu=True)) == [(0.45, 0.5), (10_000.0, 45.0), (0.8, 0.85), (0.995, 0.99)]


def test_the_bfloat16_ceiling_is_not_measured_in_float32():
    on_gpu = replace(RESULT, on_gpu=True, parts={"encoder": Part(0.5, 100, "float32", 400.0)})
    assert goals(on_gpu)[0].measured is None


def test_other_models_have_no_goals():
    assert goals(replace(RESULT, end_to_end={VAD_OFF: Outcome([40.0])})) == []
