from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.baselines import PLAIN_LOOP
from benchmarks.benchmark import Result
from benchmarks.end_to_end import VAD_OFF, VAD_ON, Outcome
from benchmarks.markdown_page import HEAD, put, targets, write_section
from benchmarks.stages import Part
from benchmarks.timings import Timings

DOCS = Path(__file__).parents[2] / "docs"


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
            VAD_OFF: Outcome([90.0, 100.0, 20.0], 2, Timings(10.0, 1.0, 6.0, 5.5)),
            VAD_ON: Outcome([45.0], 2, Timings(10.0, 1.0, 6.0, 5.5)),
            PLAIN_LOOP: Outcome([10.0], 2),
        },
        agreement={"labels equal": 0.99},
        peak_mb={"process": 500.0},
    )


def measured(result):
    return [(target.least, target.measured) for target in targets(result)]


def test_a_section_has_shares_workers_ratios_and_the_median(result):
    section = write_section(result)
    assert section.startswith("## m, bfloat16, CPU\n\n10.0 min of audio; batch size 32.\n")
    assert "| decode | 600 | 25.0% |" in section
    assert "| CSQ + head | – | 0.0% |" in section
    assert f"| end to end | workers | × real time | {VAD_OFF}, is faster by | {VAD_ON}, is faster by |" in section
    assert f"| {VAD_OFF} | 2 | 90.0 | 1.00 | 0.50 |" in section
    assert f"| {PLAIN_LOOP} | 2 | 10.0 | 9.00 | 4.50 |" in section
    assert "| encoder (bfloat16) | 25 | 50 | 100 | 50.0% |" in section
    assert "| spectrogram (float32)" not in section
    assert "loading the model 2.50, the first batch 1.25" in section
    assert "labels equal 0.99" in section


def test_a_section_names_the_bottleneck_and_the_targets(result):
    section = write_section(result)
    assert "busy 55.0% of the run" in section
    assert "decoding 10.0%, the network 60.0%, rows and tables 30.0%: what limits it is the network." in section
    assert f"| end to end, times the {PLAIN_LOOP} | 4.00 | 9.00 | yes |" in section
    assert "| labels equal to float32 on the CPU | 99.5% | 99.0% | no |" in section


def test_a_target_that_was_not_measured_is_neither_reached_nor_missed(result):
    section = write_section(replace(result, on_gpu=True, parts={"encoder": Part(0.5, 1, "float32", 1.0)}))
    assert "| 45.0% | not by this run | – |" in section


def test_on_a_cpu_the_targets_are_the_plain_loop_and_the_labels(result):
    assert measured(result) == [(4.0, 9.0), (0.995, 0.99)]


def test_on_a_gpu_the_targets_are_the_ceiling_the_run_and_its_device(result):
    assert measured(replace(result, on_gpu=True)) == [(0.45, 0.5), (10_000.0, 90.0), (0.8, 0.55), (0.995, 0.99)]


def test_the_bfloat16_ceiling_is_not_measured_in_float32(result):
    on_gpu = replace(result, on_gpu=True, parts={"encoder": Part(0.5, 100, "float32", 400.0)})
    assert targets(on_gpu)[0].measured is None


def test_other_models_have_no_targets(result):
    alone = {name: outcome for name, outcome in result.end_to_end.items() if name != PLAIN_LOOP}
    assert targets(replace(result, end_to_end=alone)) == []


def test_a_section_replaces_the_one_with_its_heading_and_no_other():
    page = put("## a, CPU\n\nnew\n", f"{HEAD}\n## a, CPU\n\nold\n\n## b, CPU\n\nstays\n")
    assert page == f"{HEAD}\n## a, CPU\n\nnew\n\n## b, CPU\n\nstays\n"
    assert put("## c\n\nlast\n", page) == f"{page}\n## c\n\nlast\n"
    assert put("## c\n\nlast\n") == f"{HEAD}\n## c\n\nlast\n"


def test_the_published_page_has_the_head_of_a_new_one():
    assert (DOCS / "benchmarks.md").read_text("utf-8").startswith(HEAD)
