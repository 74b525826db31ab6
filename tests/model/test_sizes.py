"""Sizes in a ``config.json`` cost nothing before the weights bear them out."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

MEASURE = """
import json, resource, sys
from pathlib import Path
from pcqtool.errors import PcqtoolError
from pcqtool.model.directory import load
from pcqtool.model.encoder_search import EncoderSearchPath

def peak_mb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

good, *bad = map(Path, sys.argv[1:])
import transformers.models.wavlm.modeling_wavlm, transformers.models.whisper.modeling_whisper
load(good)
for place in bad:
    before = peak_mb()
    try:
        load(place, EncoderSearchPath(()))
        message = "loaded"
    except PcqtoolError as error:
        message = str(error)
    print(json.dumps({"name": place.name, "message": message, "grown_mb": peak_mb() - before}))
"""
WIDE = {"hidden_size": 8192, "num_hidden_layers": 128, "intermediate_size": 65536, "num_attention_heads": 64}
LARGE_WHISPER = {"d_model": 8192, "encoder_layers": 128, "encoder_attention_heads": 64, "encoder_ffn_dim": 65536}
SOURCE = {"name": "some/whisper", "sha256": "0" * 64}


def encoder_settings(kind: str, **architecture: Any) -> dict[str, Any]:
    return {"network": {"encoder": {"kind": kind, "architecture": architecture}}}


def mini(**architecture: Any) -> dict[str, Any]:
    return encoder_settings("mini", **architecture)


SIZES: dict[str, tuple[dict[str, Any], str]] = {
    "hidden-40000": (encoder_settings("wavlm", hidden_size=40_000, intermediate_size=40_000), "hidden_size must be"),
    "as-large-as-may-be": (encoder_settings("wavlm", **WIDE), "does not fit its config.json"),
    "large-whisper": (encoder_settings("whisper", **LARGE_WHISPER), "does not fit its config.json"),
    "large-frozen-whisper-elsewhere": (
        {
            "network": {"encoder": {"kind": "whisper", "architecture": LARGE_WHISPER, "frozen": True}, "csq": False},
            "encoder_source": SOURCE,
        },
        "does not fit its config.json",
    ),
    "many-layers": (encoder_settings("hubert", num_hidden_layers=10**9), "num_hidden_layers must be"),
    "many-whisper-layers": (encoder_settings("whisper", encoder_layers=10**9), "encoder_layers must be"),
    "long-positions": (encoder_settings("wav2vec2", num_conv_pos_embeddings=10**9), "num_conv_pos_embeddings must be"),
    "many-buckets": (encoder_settings("wavlm", num_buckets=10**9, max_bucket_distance=10**9), "num_buckets must be"),
    "many-bins": (encoder_settings("whisper", num_mel_bins=10**9), "num_mel_bins must be"),
    "frame-a-sample": (encoder_settings("wavlm", conv_stride=[1] * 7), "frames a second"),
    "long-kernels": (encoder_settings("wavlm", conv_kernel=[1000] * 7), "frames a second"),
    "large-mini": (mini(dim=4096, n_blocks=64, expansion=32), "does not fit its config.json"),
    "huge-mini": (mini(dim=10**6), "dim must be"),
    "many-blocks": (mini(n_blocks=10**9), "n_blocks must be"),
    "many-bands": (mini(n_mels=10**9), "n_mels must be"),
    "wide-classifier": ({"network": {"classifier_hidden": [65536, 65536]}}, "does not fit its config.json"),
    "wider-classifier": ({"network": {"classifier_hidden": [40_000_000]}}, "classifier_hidden must be"),
    "many-channels": (
        {"network": {"mlcnn_channels": [4096] * 4, "mlcnn_strides": [2] * 4}},
        "does not fit its config.json",
    ),
    "long-transform": ({"network": {"spectrogram": {"n_fft": 10**9}}}, "n_fft must be"),
    "short-hop": ({"network": {"spectrogram": {"hop": 1}}}, "hop must be"),
    "many-labels": ({"labels": [str(number) for number in range(10**5)]}, "labels must be 1000 at most"),
}


def change(place: Path, changes: dict[str, Any]) -> None:
    file = place / "config.json"
    entries = json.loads(file.read_text())
    entries["network"] |= changes.get("network", {})
    file.write_text(json.dumps(entries | {name: value for name, value in changes.items() if name != "network"}))


@pytest.fixture(scope="module")
def measured(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What loading each of ``SIZES`` message, and by how many megabytes the peak of memory rose."""
    root = tmp_path_factory.mktemp("sizes")
    for name, (changes, _) in SIZES.items():
        change(shutil.copytree(tiny_model, root / name), changes)
    places = [str(root / name) for name in SIZES]
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(tiny_model), *places], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return {entry["name"]: entry for entry in map(json.loads, done.stdout.splitlines())}


@pytest.mark.slow
@pytest.mark.parametrize("name", SIZES)
def test_no_memory_is_allocated_for_weights_that_do_not_fit(measured: dict[str, dict[str, Any]], name: str) -> None:
    message = measured[name]["message"]
    assert SIZES[name][1] in message
    assert name in message
    assert len(message.splitlines()) <= 2
    assert len(message) < 1000
    assert measured[name]["grown_mb"] < 200
