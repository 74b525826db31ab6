from __future__ import annotations

from dataclasses import replace

import pytest

from pcqtool.model.directory import find, read_config
from pcqtool.model.network_settings import network_config_from_json
from pcqtool.model.pcq import PCQ
from pcqtool.report.parameters import count_paper_parameters, count_parameters


def test_the_papers_network_has_the_papers_size():
    parts = {part.name: part for part in count_paper_parameters()}
    for name in ("PCQ", "MLCNN"):
        assert parts[name].weights == pytest.approx(parts[name].paper, rel=0.01)
    assert parts["encoder (wavlm)"].weights == 94_381_936
    assert parts["CSQ (3 modules)"].weights == 1_624 + 4_728 + 9_368


def test_parts_add_up_to_the_whole(tiny_model):
    mini = network_config_from_json(read_config(find("pcq-mini")))
    for settings in (network_config_from_json(read_config(tiny_model)), mini, replace(mini, csq_gate=True)):
        whole, *parts = count_parameters(settings)
        assert whole.weights == sum(part.weights or 0 for part in parts)
        assert whole.weights == sum(weight.numel() for weight in PCQ(settings).parameters())


def test_what_a_network_lacks_is_not_listed(tiny_model):
    assert [part.name for part in count_parameters(network_config_from_json(read_config(tiny_model)))] == [
        "PCQ",
        "MLCNN",
        "classifier",
    ]
