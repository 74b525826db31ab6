"""Write the graphs of small networks, ``pcqtool/model/graphs/``, which ONNX Runtime computes without torch.

    pip install onnx onnxscript
    python docs/make_graphs.py

A graph has no weights, which come from the model directory: it fits every model whose network has the same settings,
whatever its labels. It begins with power spectra and ends with the fusion vector.
"""

from __future__ import annotations

import json
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from pcqtool.audio.power_spectra import MEL_HOP
from pcqtool.model.directory import find, load
from pcqtool.model.graph_predictor import FUSION, GRAPHS, MOMENTS, N_SAMPLES, OUTSIDE, PREFIX, graph_path
from pcqtool.model.pcq import PCQ, pool_frames
from pcqtool.model.standardisation import MeanAndSd
from pcqtool.model.weights import learned_state

MODELS = ("pcq-mini",)
INPUTS = ("mel_power", "spectrum_power", "valid_fraction", "profile_mean", "profile_sd")
N_STEPS = N_SAMPLES // MEL_HOP


class Whole(nn.Module):
    """The network from power spectra to the fusion vector, and the moments for a profile."""

    def __init__(self, network: PCQ) -> None:
        super().__init__()
        self.network = network
        encoder: Any = network.encoder
        self.filters: Tensor = encoder.mel.transform.mel_scale.fb.clone()

    def forward(self, mel_power: Tensor, power: Tensor, fraction: Tensor, mean: Tensor, sd: Tensor) -> Any:
        """Compute what ``PCQ.forward`` and ``PCQ.moments`` compute from waves."""
        network: Any = self.network
        config, encoder, statistics = network.config, network.encoder, MeanAndSd(mean, sd)
        mel = encoder.normalise(encoder.mel.scale((mel_power @ self.filters).transpose(1, 2)))
        states = pool_frames(torch.stack(encoder.hidden_states(mel), dim=1), config.frame_pool)
        level = functional.avg_pool2d(network.spectrogram.to_db(power).unsqueeze(1), config.spectrogram_pool)
        moments = network.moments_of(states, level, fraction)
        features = network.standardise((level, states), statistics)
        return network.classify(features, fraction, statistics).embedding, moments


class WithWeights(nn.Module):
    """A module whose weights are inputs."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = [module]  # not a part of this module

    def forward(self, weights: dict[str, Tensor], *inputs: Tensor) -> Any:
        """Compute the module with other weights."""
        return torch.func.functional_call(self.module[0], weights, inputs)


def export(network: PCQ) -> Any:
    """Convert a network in evaluation mode to ONNX; the weights are initializers without data."""
    import onnx

    whole = Whole(network.requires_grad_(False)).eval()
    weights = {f"{PREFIX}{name}": tensor.clone() for name, tensor in learned_state(network).items()}
    n_features = len(network.standardisation.running_mean)
    n_bins = network.config.spectrogram.n_bins
    examples = (
        torch.rand(4, N_STEPS, whole.filters.shape[0]),
        torch.rand(4, N_STEPS, n_bins),
        torch.rand(4),
        torch.zeros(4, n_features),
        torch.ones(4, n_features),
    )
    batch = torch.export.Dim("n", min=1, max=4096)
    program: Any = torch.onnx.export(
        WithWeights(whole).eval(),
        (weights, *examples),
        dynamo=True,
        opset_version=20,
        input_names=[*weights, *INPUTS],
        output_names=[FUSION, MOMENTS],
        dynamic_shapes=(dict.fromkeys(weights), tuple({0: batch} for _ in examples)),
    )
    model = program.model_proto
    for value in [each for each in model.graph.input if each.name in weights]:
        model.graph.input.remove(value)
        if not value.name.removeprefix(PREFIX).startswith(OUTSIDE):
            shape = weights[value.name].shape
            tensor = model.graph.initializer.add(name=value.name, dims=shape, data_type=onnx.TensorProto.FLOAT)
            tensor.data_location = onnx.TensorProto.EXTERNAL
            tensor.external_data.add(key="location", value="the model directory")
    for node in model.graph.node:
        del node.metadata_props[:]  # paths and traces of this machine
        node.doc_string = ""
    return model


def main() -> None:
    """Write a graph for each kind of network."""
    import onnx

    GRAPHS.mkdir(exist_ok=True)
    for name in MODELS:
        network, config = load(find(name))
        path = graph_path(config)
        onnx.save(export(cast(PCQ, network)), path)
        shapes = {name: list(tensor.shape) for name, tensor in learned_state(network).items()}
        path.with_suffix(".json").write_text(f"{json.dumps(shapes, indent=1)}\n", encoding="utf-8")
        print(path.name, path.stat().st_size)


if __name__ == "__main__":
    main()
