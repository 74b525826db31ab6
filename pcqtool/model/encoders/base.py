"""The interface of all encoders: configuration, hidden states, and their combination into frames."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from pcqtool.errors import ModelError
from pcqtool.model.registry import BUILT_IN_ENCODERS, ENCODERS


@dataclass(frozen=True)
class EncoderConfig:
    """Architecture of an encoder, and which of its hidden states are used.

    Attributes:
        kind: one of ``BUILT_IN_ENCODERS``, or the name of a plugin's encoder.
        architecture: settings of ``MiniArchitecture``, of a transformers configuration, or of a plugin's encoder.
        layers: the hidden states used: 0 is the input of the first layer, -1 the output of the last. Several are
            normalised and then mixed with learned weights or concatenated.
        frozen: do not train the encoder.
        concat_layers: concatenate the frames of several layers instead of mixing them.
    """

    kind: str = "none"
    architecture: Mapping[str, Any] = field(default_factory=dict)
    layers: tuple[int, ...] = (-1,)
    frozen: bool = False
    concat_layers: bool = False

    def __post_init__(self) -> None:
        if self.kind not in BUILT_IN_ENCODERS and self.kind not in (plugins := ENCODERS.names()):
            raise ENCODERS.unknown(str(self.kind), sorted({*BUILT_IN_ENCODERS, *plugins}))
        if not isinstance(self.architecture, Mapping):
            raise ModelError(f"an encoder's architecture must be a table of settings, not {self.architecture!r}")
        if type(self.concat_layers) is not bool or type(self.frozen) is not bool:
            raise ModelError("an encoder's concat_layers and frozen must be true or false")
        if not self.layers or not all(type(layer) is int for layer in self.layers):
            raise ModelError(f"an encoder's layers must be one or more numbers, not {self.layers!r}")


class Encoder(nn.Module, ABC):
    """A speech encoder; each subclass computes the hidden states of one kind of encoder.

    Shape:
        waves ``(B, N)`` at 16 kHz, passed through ``front_end`` → frames ``(B, T, width)``

    Examples:
        >>> import torch
        >>> from pcqtool.model.encoders import build
        >>> encoder = build(EncoderConfig("mini", {"dim": 32, "n_blocks": 2}, layers=(1, 2)))
        >>> waves = torch.zeros(4, 48000)
        >>> encoder(encoder.front_end(waves)).shape, encoder.encode(waves).shape
        (torch.Size([4, 75, 32]), torch.Size([4, 2, 75, 32]))
    """

    dim: int
    n_layers: int

    is_pretrained: ClassVar[bool] = False
    """Whether the weights are those of a pre-trained encoder, which a recipe or ``--encoder`` names."""

    @classmethod
    def from_pretrained(cls, source: str, config: EncoderConfig) -> Self:
        """Load the pre-trained weights; only for a plugin's encoder with ``is_pretrained``.

        Args:
            source: what a recipe or ``--encoder`` names, such as a directory.
            config: the recipe's settings; the encoder's own may have another ``architecture``.

        Raises:
            ModelError: if they cannot be found or used.
        """
        raise ModelError(f"an encoder of the kind {config.kind} is not loaded from {source}", "Leave --encoder out.")

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        if len(config.layers) > 1 and not config.concat_layers:
            self.mix = nn.Parameter(torch.zeros(len(config.layers)))

    def freeze(self) -> Self:
        """Freeze all weights except ``mix``, and switch to evaluation mode."""
        for name, parameter in self.named_parameters():
            parameter.requires_grad_(parameter.requires_grad and name == "mix")
        return self.eval()

    def train(self, mode: bool = True) -> Self:
        """Set the training mode; a frozen encoder stays in evaluation mode."""
        return super().train(mode and not self.config.frozen)

    def optimise_for_inference(self, dtype: torch.dtype) -> tuple[str, ...]:
        """Speed inference up and, where device and encoder allow it, compute in ``dtype``.

        Returns:
            Names of the optimisations that were rejected because this processor computes them wrongly.
        """
        return ()

    def layer_indices(self) -> tuple[int, ...]:
        """Return the indices of the used hidden states, counted from 0.

        Raises:
            ModelError: if the encoder has no such layer.
        """
        count = self.n_layers + 1
        bad = [layer for layer in self.config.layers if not -count <= layer < count]
        if bad:
            raise ModelError(f"the encoder has hidden states 0 to {self.n_layers}, not {bad[0]}")
        return tuple(layer % count for layer in self.config.layers)

    def use_layer(self, layer: int) -> None:
        """Output a single hidden state from now on, instead of those of the configuration.

        Raises:
            ModelError: if the encoder has no such layer.
        """
        self.config = replace(self.config, layers=(layer,))
        self.layer_indices()

    @property
    def width(self) -> int:
        """Length of an output frame of ``forward``."""
        return self.dim * (len(self.config.layers) if self.config.concat_layers else 1)

    def front_end(self, waves: Tensor) -> Tensor:
        """Compute the part without trainable weights; most encoders use the waves ``(B, N)`` unchanged."""
        return waves

    @abstractmethod
    def hidden_states(self, encoder_input: Tensor) -> list[Tensor]:
        """Compute the hidden states ``(B, T, dim)`` of ``layer_indices``, in that order, from the front end."""

    def encode(self, waves: Tensor, n_samples: Tensor | None = None) -> Tensor:
        """Compute the used hidden states ``(B, S, T, dim)`` of waves ``(B, N)``.

        Args:
            waves: segments, padded with zeros at the end.
            n_samples: ``(B,)``, lengths before padding, if the states of the padding are not needed: an encoder may
                leave them at 0.
        """
        return torch.stack(self.hidden_states(self.front_end(waves)), dim=1)

    def forward(self, encoder_input: Tensor) -> Tensor:
        """Compute frames ``(B, T, width)`` from the front end's output."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.config.frozen):
            states = self.hidden_states(encoder_input)
        return self.combine(states)

    def combine(self, states: Sequence[Tensor]) -> Tensor:
        """Combine hidden states ``(B, T, dim)`` into frames: several are normalised, then mixed or concatenated."""
        if len(states) == 1:
            return states[0]
        normed = [functional.layer_norm(state, (self.dim,)) for state in states]
        if self.config.concat_layers:
            return torch.cat(normed, dim=2)  # (B, T, S * dim)
        return torch.einsum("l,lbtd->btd", self.mix.softmax(dim=0), torch.stack(normed))
