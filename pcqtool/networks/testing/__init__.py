"""Tests for plugins: one call checks everything that the tool requires of a network or of an encoder."""

from pcqtool.networks.testing.encoder_check import check_encoder
from pcqtool.networks.testing.network_check import check_network
from pcqtool.plugins.conformance_error import ConformanceError

__all__ = ["ConformanceError", "check_encoder", "check_network"]
