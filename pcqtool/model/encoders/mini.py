"""``mini``: a small encoder on log-mel frames, trained by this project."""

from __future__ import annotations

from dataclasses import asdict

from torch import Tensor, nn
from torch.nn import functional

from pcqtool.audio.power_spectra import MEL_HOP
from pcqtool.errors import ModelError
from pcqtool.model.encoders.base import Encoder, EncoderConfig
from pcqtool.model.encoders.logmel import LogMel
from pcqtool.model.mini_architecture import MiniArchitecture
from pcqtool.model.padding import compute_unpadded
from pcqtool.model.setting_bounds import MINI, check_rules

_STEP = 4 * MEL_HOP  # samples per frame


class Stem(nn.Module):
    """Linear layers on spliced log-mel frames (each frame with its neighbours): from 100 to 25 frames per second.

    Linear layers on concatenated frames replace convolutions because they are faster on a CPU.

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
        """Splice frames, halve the frame rate, then merge pairs of frames."""
        x = functional.gelu(self.first(_splice(functional.pad(mel.transpose(1, 2), (0, 0, 1, 1)), 1)))
        x = functional.gelu(self.second(_splice(functional.pad(x, (0, 0, 1, 0)), 2)))
        b, t, dim = x.shape
        joined: Tensor = x.view(b, t // 2, 2, dim).mean(dim=2) + self.join(self.norm(x).view(b, t // 2, 2 * dim))
        return joined


class Block(nn.Module):
    """Residual block: a depthwise convolution in time and two linear layers (as in ConvNeXt, Liu et al., 2022).

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
        """Add the block's output to its input."""
        mixed = self.conv(self.norm(x).transpose(1, 2)).transpose(1, 2).contiguous()  # one product for all
        added: Tensor = x + self.down(functional.gelu(self.up(mixed)))
        return added


class MiniEncoder(Encoder):
    """Log-mel front end, stem, and residual blocks; each block counts as a layer."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__(config)
        sizes = MiniArchitecture(**config.architecture)
        try:
            check_rules(asdict(sizes), MINI)
        except ValueError as error:
            raise ModelError(f"invalid settings of a mini encoder: {error}") from error
        self.dim = sizes.dim
        self.n_layers = sizes.n_blocks
        self.n_lookahead = sizes.n_blocks * (sizes.kernel // 2) + 1  # frames; the stem needs less than one
        self.mel = LogMel(sizes.n_mels)
        self.stem = Stem(sizes.n_mels, sizes.dim)
        self.blocks = nn.ModuleList(Block(sizes.dim, sizes.kernel, sizes.expansion) for _ in range(sizes.n_blocks))

    def count_frames(self, n_samples: int) -> int:
        """Count the frames of a segment; the last one may be partly padding."""
        return -(-(n_samples // MEL_HOP) // 4)

    def front_end(self, waves: Tensor) -> Tensor:
        """Compute log-mel frames ``(B, n_mels, N // 160)`` of about zero mean and unit variance."""
        return self.normalise(self.mel(waves))

    @staticmethod
    def normalise(frames: Tensor) -> Tensor:
        """Shift and scale log-mel frames."""
        return (frames - 0.1) * 2.0

    def encode(self, waves: Tensor, n_samples: Tensor | None = None) -> Tensor:
        """Compute the used hidden states, skipping padding that cannot influence the recording's frames."""
        if n_samples is None:
            return super().encode(waves)
        n_frames, lookahead = self.count_frames(waves.shape[1]), self.n_lookahead * _STEP
        return compute_unpadded(super().encode, waves, n_samples, _STEP, n_frames, lookahead, 0.0)

    def hidden_states(self, encoder_input: Tensor) -> list[Tensor]:
        """Run the blocks up to the highest one used, on log-mel frames padded to a multiple of 4."""
        indices = self.layer_indices()
        x = self.stem(functional.pad(encoder_input, (0, -encoder_input.shape[-1] % 4)))
        states = [x]
        for block in self.blocks[: max(indices)]:
            x = block(x)
            states.append(x)
        return [states[index] for index in indices]


def _splice(x: Tensor, stride: int) -> Tensor:
    """Concatenate every ``stride``-th frame with the next two: ``(B, T, D)`` → ``(B, (T - 3) // stride + 1, 3 D)``."""
    return x.unfold(1, 3, stride).transpose(2, 3).flatten(2)
