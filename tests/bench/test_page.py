from __future__ import annotations

from dataclasses import replace

import pytest

from pcqtool.bench.bench import Result
from pcqtool.bench.contenders import PLAIN_LOOP, VAD_OFF
from pcqtool.bench.marks import Marks
from pcqtool.bench.network import Part
from pcqtool.bench.page import HEAD, put, write_section
from pcqtool.bench.rounds import Outcome


@pytest.fixture
def result():
    return Result(
        about={"model": "m", "precision": "bfloat16", "device": "CPU", "batch size": 32},
        on_gpu=False,
        audio_s=600.0,
        warm_up_s={"loading the model": 2.5, "the first batch": 1.25},
        stages_s={"decode": 1.0, "encoder": 3.0, "CSQ + head": 0.0},
        parts={
            "spectrogram": Part(0.1, 0, "float32", 2e11),
            "encoder": Part(0.5, 25 * 10**9, "bfloat16", 1e11),
        },
        end_to_end={
            VAD_OFF: Outcome([90.0, 100.0, 20.0], Marks(10.0, 1.0, 6.0, 5.5)),
            PLAIN_LOOP: Outcome([10.0]),
        },
        agreement={"labels equal": 0.99},
        peak_mb={"process": 500.0},
    )


def test_a_section_gives_shares_ratios_and_the_median(result):
    section = write_section(result)
    assert section.startswith("## m, bfloat16, CPU\n\n10.0 min of audio; batch size 32.\n")
    assert "| decode | 600 | 25.0% |" in section
    assert "| CSQ + head | – | 0.0% |" in section
    assert f"| {VAD_OFF} | 90.0 | 1.00 |" in section
    assert f"| {PLAIN_LOOP} | 10.0 | 9.00 |" in section
    assert "| encoder (bfloat16) | 25 | 50 | 100 | 50.0% |" in section
    assert "| spectrogram (float32)" not in section
    assert "loading the model 2.50, the first batch 1.25" in section
    assert "labels equal 0.99" in section


def test_a_section_says_what_limits_and_whether_goals_are_reached(result):
    section = write_section(result)
    assert "busy 55.0% of the run" in section
    assert "decoding 10.0%, the network 60.0%, rows and tables 30.0%: what limits it is the network." in section
    assert f"| end to end, times the {PLAIN_LOOP} | 4.00 | 9.00 | yes |" in section
    assert "| labels equal to float32 on the CPU | 99.5% | 99.0% | no |" in section


def test_a_goal_that_was_not_measured_is_neither_reached_nor_missed(result):
    section = write_section(replace(result, on_gpu=True, parts={"encoder": Part(0.5, 1, "float32", 1.0)}))
    assert "| 45.0% | not by this run | – |" in section


def test_a_section_takes_the_place_of_its_own_kind_and_no_other():
    page = put("## a, CPU\n\nnew\n", f"{HEAD}\n## a, CPU\n\nold\n\n## b, CPU\n\nstays\n")
    assert page == f"{HEAD}\n## a, CPU\n\nnew\n\n## b, CPU\n\nstays\n"
    assert put("## c\n\nlast\n", page) == f"{page}\n## c\n\nlast\n"
    assert put("## c\n\nlast\n") == f"{HEAD}\n## c\n\nlast\n"
