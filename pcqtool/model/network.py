"""The interface of all networks: a configuration, a front end, and a classifier on its outputs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import ClassVar, Generic, NamedTuple, TypeAlias, TypeVar

import torch
from torch import Tensor, nn

from pcqtool.errors import ModelError
from pcqtool.model.encoders.base import Encoder, EncoderConfig
from pcqtool.model.standardisation import MeanAndSd


@dataclass(frozen=True)
class NetworkConfig:
    """The settings of a network; each kind of network adds its own fields, all with defaults.

    A field is a plain value (``bool``, ``int``, ``float``, ``str``), a tuple of plain values, or a frozen dataclass of
    such fields, like ``EncoderConfig`` and ``SpectrogramSettings``. A recipe's table ``[network]`` sets them.
    ``__post_init__`` checks their values, and calls this class's.

    Attributes:
        labels: class names, in the order of the logits.

    Raises:
        ModelError: if there are fewer than two labels, or two are the same.
    """

    labels: tuple[str, ...]

    # Not fields: the values for networks that have no such setting.
    encoder = EncoderConfig()
    profile_s = 0.0

    def __post_init__(self) -> None:
        if len(self.labels) < 2 or len(set(self.labels)) != len(self.labels):
            raise ModelError(f"a model needs two or more different labels, not {list(self.labels)}")


class NetworkInputs(NamedTuple):
    """The inputs of a network's classifier.

    Attributes:
        features: outputs of the front end, ``(B, …)`` each.
        valid_fraction: ``(B,)``, fraction of each segment that is not padding; ``None`` if padding is not masked.
        statistics: those of the profiles by which features are standardised; ``None`` for the training data's own.
    """

    features: tuple[Tensor, ...]
    valid_fraction: Tensor | None = None
    statistics: MeanAndSd | None = None


class NetworkOutput(NamedTuple):
    """Outputs of a network for a batch of segments.

    Attributes:
        logits: ``(B, L)``.
        embedding: ``(B, F)``, the vector that the classifier's last part gets; PCQ's is the fusion vector (Eq. 8).
        frames: ``(B, T, D)``, the encoder's output; ``None`` without an encoder, or if it is not kept.
    """

    logits: Tensor
    embedding: Tensor
    frames: Tensor | None = None


class TrainingBatch(NamedTuple):
    """Some training segments, for ``Network.prepare``.

    Attributes:
        inputs: outputs of the front end, ``(B, …)`` each.
        valid_fraction: ``(B,)``, fraction of each segment that is not padding.
        targets: ``(B,)``, classes.
        recording: ``(B,)``, number of the recording, or of the augmented version of one, that a segment is a part of.
    """

    inputs: tuple[Tensor, ...]
    valid_fraction: Tensor
    targets: Tensor
    recording: Tensor


C = TypeVar("C", bound=NetworkConfig, covariant=True)


class Network(nn.Module, ABC, Generic[C]):
    """A network that classifies segments of speech.

    A subclass sets ``config_class``, builds its layers in ``__init__``, and defines ``front_end`` and ``classify``. All
    else is optional. ``pcqtool.networks.testing.check_network`` tests a class.

    A model directory stores the parameters in half precision and the buffers of floating-point numbers exactly. What
    follows from the configuration may be a buffer with ``persistent=False``, which is not stored.

    Shape:
        waves ``(B, N)``, 16 kHz segments padded with zeros at the end, and n_samples ``(B,)``, their lengths before
        padding (``None`` if nothing is padded) → ``NetworkOutput``
    """

    config_class: ClassVar[type[NetworkConfig]]
    """The class of the settings."""

    front_end_settings: ClassVar[tuple[str, ...] | None] = None
    """The settings that ``front_end`` depends on, by which its outputs are cached; None for all of them."""

    spectrograms: ClassVar[tuple[int, ...]] = ()
    """Which outputs of ``front_end`` are spectrograms ``(B, T, F)`` or ``(B, C, T, F)``, for SpecAugment."""

    def __init__(self, config: C) -> None:
        super().__init__()
        self.config = config
        self.encoder: Encoder | None = None  # of a configuration with a field ``encoder``; made by ``build_encoder``

    @abstractmethod
    def front_end(self, waves: Tensor, n_samples: Tensor) -> tuple[Tensor, ...]:
        """Compute the part without trained weights, such as spectrograms or the states of a frozen encoder.

        Training computes it once for every segment and every augmented version, without gradients, and keeps the
        results in their type: return ``x.half()`` where that is precise enough. ``classify`` always gets float32. The
        ``waves`` themselves, as an encoder that is trained needs them, are not kept a second time.

        Args:
            waves: ``(B, N)``, 16 kHz, padded with zeros at the end.
            n_samples: ``(B,)``, lengths before padding.

        Returns:
            Tensors with B as their first dimension. A segment's values do not depend on the others of its batch.
        """

    @abstractmethod
    def classify(self, inputs: tuple[Tensor, ...], valid_fraction: Tensor) -> NetworkOutput:
        """Compute the trained part from the outputs of the front end.

        Args:
            inputs: what ``front_end`` returns, in float32.
            valid_fraction: ``(B,)``, fraction of each segment that is not padding.
        """

    def prepare(self, batches: Iterable[TrainingBatch]) -> None:
        """Set buffers from the training segments before training, such as means and deviations; by default none.

        A network without parameters that need gradients is trained by this alone: a closed-form classifier is a buffer.

        Args:
            batches: all training segments; may be iterated over several times, each time in the same order.
        """

    def standardise(self, features: tuple[Tensor, ...], statistics: MeanAndSd | None) -> tuple[Tensor, ...]:
        """Standardise the front end's outputs by the profile of a batch; by default they stay as they are."""
        return features

    def mask(self, features: tuple[Tensor, ...], masked: Callable[[Tensor], Tensor]) -> tuple[Tensor, ...]:
        """Apply SpecAugment to the features that are spectrograms.

        Args:
            features: outputs of the front end.
            masked: masks ``(B, 1, bands, T)``.
        """

        def apply(spectrogram: Tensor) -> Tensor:
            shape = spectrogram.shape
            bands = spectrogram.reshape(shape[0], -1, *shape[-2:]).transpose(2, 3)  # (B, C, F, T)
            return masked(bands).transpose(2, 3).reshape(shape)

        return tuple(apply(each) if number in self.spectrograms else each for number, each in enumerate(features))

    def forward(
        self, waves: Tensor, n_samples: Tensor | None = None, statistics: MeanAndSd | None = None
    ) -> NetworkOutput:
        """Predict the labels of a batch of segments, with the statistics of its profile or the training data's own."""
        return self.predict(self.encode_inputs(waves, n_samples, statistics))

    def encode_inputs(
        self, waves: Tensor, n_samples: Tensor | None = None, statistics: MeanAndSd | None = None
    ) -> NetworkInputs:
        """Compute the part without trained weights."""
        lengths = waves.new_full((len(waves),), waves.shape[1], dtype=torch.int64) if n_samples is None else n_samples
        features = tuple(each.float() for each in self.front_end(waves, lengths))
        fraction = self.valid_fraction(lengths, waves.shape[1])
        return NetworkInputs(self.standardise(features, statistics), fraction, statistics)

    def predict(self, inputs: NetworkInputs) -> NetworkOutput:
        """Predict the labels from the outputs of ``encode_inputs``."""
        fraction = inputs.valid_fraction
        if fraction is None:
            fraction = inputs.features[0].new_ones(len(inputs.features[0]))
        return self.classify(inputs.features, fraction)

    def valid_fraction(self, n_samples: Tensor | None, length: int) -> Tensor | None:
        """Return the unpadded fraction of segments of ``length`` samples."""
        return None if n_samples is None else n_samples / length

    def stored_state(self) -> dict[str, Tensor]:
        """Return the tensors that a model directory stores: parameters and persistent buffers of real numbers."""
        state: dict[str, Tensor] = self.state_dict()
        return {name: value for name, value in state.items() if value.is_floating_point()}

    def stored_exactly(self) -> set[str]:
        """Return the names of ``stored_state`` that are stored in float32 instead of half precision."""
        return self.stored_state().keys() - {name for name, _ in self.named_parameters()}

    @property
    def is_fitted_by_gradients(self) -> bool:
        """Whether the network has parameters to train; otherwise ``prepare`` is all of its training."""
        return any(parameter.requires_grad for parameter in self.parameters())


AnyNetwork: TypeAlias = Network[NetworkConfig]
