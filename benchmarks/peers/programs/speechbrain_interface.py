"""The class that SpeechBrain's ``foreign_class`` loads with the emotion recogniser, which the hub has beside it.

It does the same steps: wav2vec 2.0, the mean over time, one linear layer and a softmax.
"""

from __future__ import annotations

from typing import Any

import torch
from speechbrain.inference.interfaces import Pretrained


class CustomEncoderWav2vec2Classifier(Pretrained):  # type: ignore[misc]
    """A recogniser of whole recordings."""

    MODULES_NEEDED = ("wav2vec2", "avg_pool", "output_mlp")

    def classify_file(self, path: str) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, list[str]]:
        """Return the probabilities ``(1, L)`` of a recording, the largest, its index and its label."""
        waves = self.load_audio(path).unsqueeze(0).to(self.device).float()
        states: Any = self.mods.wav2vec2(waves)
        pooled = self.mods.avg_pool(states, torch.ones(1, device=self.device))
        probabilities = self.hparams.softmax(self.mods.output_mlp(pooled.flatten(1)))
        score, index = probabilities.max(dim=-1)
        return probabilities, score, index, self.hparams.label_encoder.decode_torch(index)
