"""``mini``: a small encoder on log-mel frames, trained by this project."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from torch import Tensor, nn
from torch.nn import functional

from pcqtool.errors import ModelError
from pcqtool.model.config_rules import MINI, check
from pcqtool.model.encoders.base import Encoder, EncoderConfig
from pcqtool.model.encoders.logmel import HOP, LogMel
from pcqtool.model.padding import compute_unpadded

_STEP = 4 * HOP  # samples from one frame to the next


@dataclass(frozen=True)
class MiniArchitecture:
    """Sizes of the encoder; its frames come at 25 a second.

    Attributes:
        dim: length of a frame.
        n_blocks: residual blocks behind the stem.
        kernel: frames that a block's convolution sees, an odd number.
        expansion: width of a block's hidden layer, in frames' lengths.
        n_mels: bands.
    """

    dim: int = 256
    n_blocks: int = 3
    kernel: int = 5
    expansion: int = 4
    n_mels: int = 80


class Stem(nn.Module):
    """Linear layers on spliced log-mel frames, each frame with its neighbours: from 100 to 25 frames a second.

    All layers are linear ones on joined frames, not convolutions: a CPU is faster at these.

    Shape:
        ``(B, n_mels, N)``, N a multiple of 4 → ``(B, N / 4, dim)``
    """

    def __init__(self, n_mels: int, dim: int) -> None:
        super().__init__()
        self.first = nn.Linear(3 * n_mels, dim)
        self.second = nn.Linear(3 * dim, dim)
        self.norm = nn.LayerNorm(dim)
        self.join = nn.Linear(2 * dim, dim)

    def forward(self, mel: Tensor) -> Tensor:
        """Splice, halve the rate, join pairs of frames."""
        x = functional.gelu(self.first(_splice(functional.pad(mel.transpose(1, 2), (0, 0, 1, 1)), 1)))
        x = functional.gelu(self.second(_splice(functional.pad(x, (0, 0, 1, 0)), 2)))
        b, t, dim = x.shape
        joined: Tensor = x.view(b, t // 2, 2, dim).mean(dim=2) + self.join(self.norm(x).view(b, t // 2, 2 * dim))
        return joined


class Block(nn.Module):
    """A depthwise convolution in time and two linear layers, added to what came in (as in ConvNeXt, Liu et al., 2022).

    Shape:
        ``(B, T, dim)`` → ``(B, T, dim)``
    """

    def __init__(self, dim: int, kernel: int, expansion: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.conv = nn.Conv1d(dim, dim, kernel, padding=kernel // 2, groups=dim)
        self.up = nn.Linear(dim, expansion * dim)
        self.down = nn.Linear(expansion * dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Add what the block computes to its input."""
        mixed = self.conv(self.norm(x).transpose(1, 2)).transpose(1, 2).contiguous()  # one product, not one a segment
        added: Tensor = x + self.down(functional.gelu(self.up(mixed)))
        return added


class MiniEncoder(Encoder):
    """Log-mel frames, a stem, then residual blocks; every block is a layer."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__(config)
        sizes = MiniArchitecture(**config.architecture)
        try:
            check(asdict(sizes), MINI)
        except ValueError as error:
            raise ModelError(f"impossible settings of a mini encoder: {error}") from error
        self.dim = sizes.dim
        self.n_layers = sizes.n_blocks
        self.n_ahead = sizes.n_blocks * (sizes.kernel // 2) + 1  # frames; the stem looks less than one ahead
        self.mel = LogMel(sizes.n_mels)
        self.stem = Stem(sizes.n_mels, sizes.dim)
        self.blocks = nn.ModuleList(Block(sizes.dim, sizes.kernel, sizes.expansion) for _ in range(sizes.n_blocks))

    def count_frames(self, n_samples: int) -> int:
        """Count the frames of a segment, the last of which may be part padding."""
        return -(-(n_samples // HOP) // 4)

    def front_end(self, waves: Tensor) -> Tensor:
        """Compute log-mel frames ``(B, n_mels, N // 160)``, about zero mean and unit variance."""
        frames: Tensor = (self.mel(waves) - 0.1) * 2.0
        return frames

    def states(self, waves: Tensor, n_samples: Tensor | None = None) -> Tensor:
        """Compute the hidden states, those of the padding only as far as they tell on the recording's."""
        if n_samples is None:
            return super().states(waves)
        n_frames, reach = self.count_frames(waves.shape[1]), self.n_ahead * _STEP
        return compute_unpadded(super().states, waves, n_samples, _STEP, n_frames, reach, 0.0)

    def hidden_states(self, heard: Tensor) -> list[Tensor]:
        """Run the blocks up to the last one that is asked for, on as many log-mel frames as are a multiple of 4."""
        wanted = self.layer_indices()
        x = self.stem(functional.pad(heard, (0, -heard.shape[-1] % 4)))
        states = [x]
        for block in self.blocks[: max(wanted)]:
            x = block(x)
            states.append(x)
        return [states[index] for index in wanted]


def _splice(x: Tensor, stride: int) -> Tensor:
    """Join every ``stride``-th frame with the two behind it: ``(B, T, D)`` → ``(B, (T - 3) // stride + 1, 3 D)``."""
    return x.unfold(1, 3, stride).transpose(2, 3).flatten(2)
