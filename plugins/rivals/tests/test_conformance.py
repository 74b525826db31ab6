"""Every network against pcqtool's own check of networks."""

from __future__ import annotations

from typing import Any

import pytest

from pcqtool.networks import EncoderConfig, Network
from pcqtool.networks.testing import check_network
from pcqtool_rivals.alexnet import AlexNet
from pcqtool_rivals.ca_mser import CAMSER
from pcqtool_rivals.encoder_means import EncoderMeans
from pcqtool_rivals.functionals_svm import FunctionalsSVM
from pcqtool_rivals.glam import GLAM
from pcqtool_rivals.gm_tcnet import GMTCNet
from pcqtool_rivals.light_sernet import LightSERNet
from pcqtool_rivals.tim_net import TIMNet

FROZEN = EncoderConfig("mini", {"dim": 32, "n_blocks": 1}, layers=(0, 1), frozen=True, concat_layers=True)
TRAINED = EncoderConfig("mini", {"dim": 32, "n_blocks": 1})


@pytest.mark.parametrize(
    ("network", "settings"),
    [
        (AlexNet, {}),
        (CAMSER, {"encoder": TRAINED, "lstm_width": 8, "width": 16, "n_frames": 75}),
        (CAMSER, {"encoder": FROZEN, "lstm_width": 8, "width": 16, "n_frames": 75}),
        (EncoderMeans, {"encoder": FROZEN}),
        (FunctionalsSVM, {"feature_set": "eGeMAPSv02", "min_fraction": 0.0}),
        (GLAM, {}),
        (GMTCNet, {}),
        (LightSERNet, {}),
        (TIMNet, {}),
    ],
)
def test_networks_fulfil_the_contract(network: type[Network[Any]], settings: dict[str, Any]) -> None:
    check_network(network, **settings)
