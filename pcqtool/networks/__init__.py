"""Networks and encoders of one's own: all that a plugin needs in one import.

>>> from pcqtool.networks import Network, NetworkConfig, NetworkOutput

``Network`` and ``Encoder`` document what a class must define; ``pcqtool.networks.testing`` has a check for each.
"""

from pcqtool.audio.segment import SAMPLE_RATE, SEGMENT_SAMPLES
from pcqtool.audio.spectrogram import Spectrogram, SpectrogramSettings
from pcqtool.errors import ModelError
from pcqtool.model.attention import valid_steps
from pcqtool.model.encoders import Encoder, EncoderConfig, build
from pcqtool.model.encoders.logmel import LogMel
from pcqtool.model.network import Network, NetworkConfig, NetworkInputs, NetworkOutput, TrainingBatch

__all__ = [
    "SAMPLE_RATE",
    "SEGMENT_SAMPLES",
    "Encoder",
    "EncoderConfig",
    "LogMel",
    "ModelError",
    "Network",
    "NetworkConfig",
    "NetworkInputs",
    "NetworkOutput",
    "Spectrogram",
    "SpectrogramSettings",
    "TrainingBatch",
    "build_encoder",
    "valid_steps",
]

build_encoder = build
