"""What every encoder is: a configuration, a mix of layers, frames out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from pcqtool.errors import ModelError

KINDS = ("none", "mini", "wavlm", "wav2vec2", "hubert", "whisper")


@dataclass(frozen=True)
class EncoderConfig:
    """An encoder's architecture.

    Attributes:
        kind: one of ``KINDS``; all but ``none`` and ``mini`` are transformers' model types.
        architecture: the settings of ``MiniArchitecture``, or a transformers configuration.
        layers: the hidden states that are used, 0 for what enters the first layer, -1 for the last layer's;
            several are normalised, and mixed with learned weights or joined.
        frozen: not trained.
        concat_layers: put the frames of several layers side by side instead of mixing them.
    """

    kind: str = "none"
    architecture: Mapping[str, Any] = field(default_factory=dict)
    layers: tuple[int, ...] = (-1,)
    frozen: bool = False
    concat_layers: bool = False

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ModelError(f"unknown encoder kind {self.kind!r}", f"Known: {', '.join(KINDS)}.")
        if not isinstance(self.architecture, Mapping):
            raise ModelError(f"an encoder's architecture is a table of settings, not {self.architecture!r}")
        if type(self.concat_layers) is not bool or type(self.frozen) is not bool:
            raise ModelError("an encoder's concat_layers and frozen must be true or false")
        if not self.layers or not all(type(layer) is int for layer in self.layers):
            raise ModelError(f"an encoder needs the numbers of one or more layers to be read, not {self.layers!r}")


class Encoder(nn.Module, ABC):
    """A speech encoder; a kind of encoder says how its hidden states are computed.

    Shape:
        waves ``(B, N)`` at 16 kHz, through ``front_end`` → frames ``(B, T, width)``
    """

    dim: int
    n_layers: int

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        if len(config.layers) > 1 and not config.concat_layers:
            self.mix = nn.Parameter(torch.zeros(len(config.layers)))

    def freeze(self) -> Self:
        """Fix all weights but those of the mix, in evaluation mode."""
        for name, parameter in self.named_parameters():
            parameter.requires_grad_(parameter.requires_grad and name == "mix")
        return self.eval()

    def train(self, mode: bool = True) -> Self:
        """Train, unless the encoder is frozen: that stays in evaluation mode."""
        return super().train(mode and not self.config.frozen)

    def prepare(self, dtype: torch.dtype) -> tuple[str, ...]:
        """Make ready for inference, where the device and the kind of encoder allow, in another precision.

        Returns:
            The quicker ways that this processor computes wrongly and that were therefore not taken.
        """
        return ()

    def layer_indices(self) -> tuple[int, ...]:
        """Give the hidden states to be used, counted from 0.

        Raises:
            ModelError: if the encoder has no such layer.
        """
        count = self.n_layers + 1
        bad = [layer for layer in self.config.layers if not -count <= layer < count]
        if bad:
            raise ModelError(f"the encoder has hidden states 0 to {self.n_layers}, no {bad[0]}")
        return tuple(layer % count for layer in self.config.layers)

    @property
    def width(self) -> int:
        """Length of a frame that ``forward`` gives."""
        return self.dim * (len(self.config.layers) if self.config.concat_layers else 1)

    def front_end(self, waves: Tensor) -> Tensor:
        """Compute what nothing is learnt for; most encoders take the waves ``(B, N)`` themselves."""
        return waves

    @abstractmethod
    def hidden_states(self, heard: Tensor) -> list[Tensor]:
        """Compute the hidden states ``(B, T, dim)`` named by ``layer_indices``, in that order, from the front end's."""

    def states(self, waves: Tensor, n_samples: Tensor | None = None) -> Tensor:
        """Compute the hidden states that are used, ``(B, S, T, dim)``, of waves ``(B, N)``.

        Args:
            waves: the segments, padded with zeros at the end.
            n_samples: ``(B,)``, samples before the padding, if nobody looks at the states behind them: an encoder may
                leave these at 0.
        """
        return torch.stack(self.hidden_states(self.front_end(waves)), dim=1)

    def forward(self, heard: Tensor) -> Tensor:
        """Compute one sequence of frames of what the front end gives."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.config.frozen):
            states = self.hidden_states(heard)
        return self.combine(states)

    def combine(self, states: Sequence[Tensor]) -> Tensor:
        """Make frames ``(B, T, width)`` of hidden states: the only one, or several normalised ones, mixed or joined."""
        if len(states) == 1:
            return states[0]
        normed = [functional.layer_norm(state, (self.dim,)) for state in states]
        if self.config.concat_layers:
            return torch.cat(normed, dim=2)
        return torch.einsum("l,lbtd->btd", self.mix.softmax(dim=0), torch.stack(normed))
