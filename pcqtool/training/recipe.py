"""Recipes: everything that decides how a model is trained, in a small TOML file."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, TypeVar

from pcqtool import toml
from pcqtool.aggregation import AGGREGATIONS
from pcqtool.audio.segment import SEGMENT_S
from pcqtool.errors import SettingsError
from pcqtool.splits.validation_size import ValidationSize
from pcqtool.training.augmentation import ViewSettings

PRECISIONS = ("auto", "float32", "bfloat16", "float16")
_SHIPPED = Path(__file__).parent / "recipes"
T = TypeVar("T")


@dataclass(frozen=True)
class Distillation:
    """How much a student learns from a teacher: a pre-trained encoder with a linear classifier on its frames.

    Attributes:
        layers: the teacher's hidden states, side by side; the classifier sees their means over an utterance.
        soft: weight of the teacher's probabilities against the labels' own.
        temperature: softens the teacher's and the student's probabilities (Hinton et al., 2015).

    Raises:
        SettingsError: a value that cannot be used.
    """

    layers: tuple[int, ...] = (2, 3)
    soft: float = 1.0
    temperature: float = 2.0

    def __post_init__(self) -> None:
        _check_layers("distil", self.layers)
        if self.soft < 0 or not 0 < self.temperature < math.inf:
            raise SettingsError("distil: soft must be 0 or more, temperature positive")


@dataclass(frozen=True)
class FeatureDistillation:
    """How the small encoder learns, before all else, to say frame by frame what a pre-trained one says.

    Attributes:
        layers: the teacher's hidden states, from low to high; each is predicted from the student's state that lies as
            far up in the student, the lowest from its stem, the highest from its last block.
        epochs: passes over the training utterances, each time one view of every utterance.
        batch_size: segments in a batch.
        crop_s: length of the piece of each segment that is heard, in seconds.
        lr: peak learning rate of Muon, which moves the matrices; AdamW moves the rest at a twentieth of it.
        weight_decay: of both.
        means: weight of the error in a segment's mean frame against that in its frames.

    Raises:
        SettingsError: a value that cannot be used.
    """

    layers: tuple[int, ...] = (0, 1, 2, 3)
    epochs: int = 30
    batch_size: int = 12
    crop_s: float = 2.0
    lr: float = 0.02
    weight_decay: float = 0.02
    means: float = 1.0

    def __post_init__(self) -> None:
        _check_layers("imitation", self.layers)
        if min(self.epochs, self.batch_size) < 1:
            raise SettingsError("imitation: epochs and batch_size must be 1 or more")
        if not (0.5 <= self.crop_s <= SEGMENT_S and 0 < self.lr < math.inf):
            raise SettingsError(f"imitation: crop_s must lie from 0.5 to {SEGMENT_S}, lr be positive")
        if min(self.weight_decay, self.means) < 0:
            raise SettingsError("imitation: weight_decay and means must be 0 or more")


@dataclass(frozen=True)
class SpecAugment:
    """How much of a spectrogram is hidden (Park et al., 2019); each segment's masks are drawn anew.

    Attributes:
        time: largest width of a piece of time, as a share of the segment.
        frequency: largest width of a band, as a share of all bins.
        n_time: pieces of time.
        n_frequency: bands.

    Raises:
        SettingsError: a value that cannot be used.
    """

    time: float = 0.1
    frequency: float = 0.15
    n_time: int = 2
    n_frequency: int = 2

    def __post_init__(self) -> None:
        if not (0 <= self.time <= 1 and 0 <= self.frequency <= 1):
            raise SettingsError("specaugment: time and frequency are shares, from 0 to 1")
        if min(self.n_time, self.n_frequency) < 0:
            raise SettingsError("specaugment: n_time and n_frequency must be 0 or more")


@dataclass(frozen=True)
class Recipe:
    """A training run's settings.

    Attributes:
        name: of the recipe.
        network: settings of ``PCQConfig`` that differ from its defaults.
        encoder: directory or Hub id of the pre-trained encoder to build on, unless another is named; empty for none.
        teacher: likewise of the one to learn from; empty for the encoder that the network builds on.
        epochs: passes over the training utterances, each time one view of every utterance.
        patience: epochs without a better validation loss after which training stops.
        batch_size: segments in a batch; with ``fusion_batch_norm`` 2 or more.
        accumulate: batches whose gradients add up to one step.
        precision: ``float32``, ``bfloat16``, ``float16`` (on GPUs), or ``auto``: where a pre-trained encoder is tuned
            and the device is faster so, in half precision, else in float32.
        lr: peak learning rate; it rises over ``warmup`` steps and falls along a cosine to a thousandth of it.
        encoder_lr: peak learning rate of a pre-trained encoder that is tuned.
        layer_decay: factor on ``encoder_lr`` for each layer further down in a pre-trained encoder.
        schedule: ``cosine``, or ``constant`` for no fall.
        warmup: steps.
        weight_decay: of AdamW, on weights but not on biases and scales.
        label_smoothing: share of each label's weight that is spread over all labels.
        balance: weigh classes by the inverse of their frequency.
        clip: largest norm of the gradient.
        mixup: parameter of the Beta distribution by which pairs of segments, and what is to be said of them, are
            mixed behind the front ends (Zhang et al., 2018); 0 for none.
        specaugment: pieces of time and frequency that are hidden from the network, where it is given.
        ema: decay per step of the running mean of weights that becomes the model; 0 for the last weights.
        n_views: views of each utterance besides the recording itself.
        own: share of utterances that are seen as they were recorded, whatever the views.
        views: how far views lie from the recording.
        spoken: a teacher hears each view as it was spoken, with its speed and cut, but before room, noise, microphone,
            level, line and codec; else as the network hears it.
        distil: learning from a teacher's judgement.
        imitation: learning from a teacher's frames, before all else; for the encoder ``mini``, which is then frozen.
        cache: keep on disk, for all folds and later runs, the views, a frozen pre-trained encoder's hidden states and
            what has imitated them. A teacher's hidden states always are kept.
        refit: once the validation part has chosen the epoch and the temperature, train anew on both parts together,
            for as many epochs.
        validation: share of the speakers (texts, tenths of the files) outside the test part that validate; at least
            one of them does.
        aggregation: rule from segments to file, in validation and in the model.
        seed: of weights, order and views.

    Raises:
        SettingsError: a value that cannot be used.
    """

    name: str
    network: Mapping[str, Any] = field(default_factory=dict)
    encoder: str = ""
    teacher: str = ""
    epochs: int = 60
    patience: int = 20
    batch_size: int = 16
    accumulate: int = 1
    precision: str = "auto"
    lr: float = 1e-3
    encoder_lr: float = 1e-5
    layer_decay: float = 1.0
    schedule: str = "cosine"
    warmup: int = 100
    weight_decay: float = 0.05
    label_smoothing: float = 0.1
    balance: bool = True
    clip: float = 5.0
    mixup: float = 0.0
    specaugment: SpecAugment | None = None
    ema: float = 0.0
    n_views: int = 12
    own: float = 0.0
    views: ViewSettings = field(default_factory=ViewSettings)
    spoken: bool = False
    distil: Distillation | None = None
    imitation: FeatureDistillation | None = None
    cache: bool = True
    refit: bool = False
    validation: float = 0.0
    aggregation: str = "mean-log"
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.epochs, self.patience, self.batch_size, self.accumulate) < 1:
            raise SettingsError(f"recipe {self.name}: epochs, patience, batch_size and accumulate must be 1 or more")
        if self.batch_size < self.least_batch:
            raise SettingsError(
                f"recipe {self.name}: fusion_batch_norm needs a batch_size of 2 or more",
                "A single segment has no variance.",
            )
        if min(self.n_views, self.warmup, self.seed, self.weight_decay, self.mixup) < 0:
            raise SettingsError(f"recipe {self.name}: n_views, warmup, seed, weight_decay and mixup must be 0 or more")
        if not (0 < self.lr < math.inf and 0 < self.encoder_lr < math.inf and self.clip > 0):
            raise SettingsError(f"recipe {self.name}: lr, encoder_lr and clip must be positive")
        if not all(0 <= share < 1 for share in (self.ema, self.label_smoothing, self.own, self.validation)):
            raise SettingsError(
                f"recipe {self.name}: ema, label_smoothing, own and validation are shares, from 0 to below 1"
            )
        if not 0 < self.layer_decay <= 1:
            raise SettingsError(f"recipe {self.name}: layer_decay must lie above 0 and be 1 at most")
        if self.precision not in PRECISIONS:
            known = ", ".join(PRECISIONS)
            raise SettingsError(f"recipe {self.name}: unknown precision {self.precision!r}", f"Known: {known}.")
        if self.schedule not in ("cosine", "constant"):
            raise SettingsError(f"recipe {self.name}: schedule is cosine or constant, not {self.schedule!r}")
        if self.aggregation not in AGGREGATIONS:
            known = ", ".join(AGGREGATIONS)
            raise SettingsError(f"recipe {self.name}: unknown aggregation {self.aggregation!r}", f"Known: {known}.")

    @property
    def least_batch(self) -> int:
        """The smallest ``batch_size`` that the network can be trained with."""
        return 2 if self.network.get("fusion_batch_norm", False) else 1

    def origins(self, encoder: str | None = None, teacher: str | None = None) -> tuple[str | None, str | None]:
        """Give the encoder to build on and the teacher: those that are named, else the recipe's own."""
        encoder = encoder or self.encoder or None
        return encoder, teacher or self.teacher or encoder

    def validating(self, number: int | None = None) -> ValidationSize:
        """Give how many speakers (texts, tenths of the files) validate: a number if there is one, else as set here."""
        return ValidationSize(share=self.validation) if number is None else ValidationSize(number)

    @property
    def is_taught(self) -> bool:
        """Whether it learns from a teacher."""
        return self.distil is not None or self.imitation is not None

    def to_dict(self) -> dict[str, Any]:
        """Give the recipe as JSON values, for the model's provenance."""
        return asdict(self)


def shipped() -> list[str]:
    """Name the recipes inside the package."""
    return sorted(path.stem for path in _SHIPPED.glob("*.toml"))


def load_recipe(name: str, **changes: Any) -> Recipe:
    """Read a recipe by its name in the package or from a TOML file, with some settings changed.

    Raises:
        SettingsError: if there is none, or it has an unknown key or a wrong value.
    """
    path = _SHIPPED / f"{name}.toml" if name in shipped() else Path(name)
    try:
        entries: dict[str, Any] = {"name": path.stem} | toml.load(path)
    except OSError as error:
        raise SettingsError(f"no recipe {name!r}", f"Shipped: {', '.join(shipped())}; or name a TOML file.") from error
    try:
        for key, kind in _TABLES.items():
            if key in entries:
                entries[key] = _make(kind, entries[key], f"[{key}]")
        recipe = _make(Recipe, entries, "a recipe")
    except SettingsError as error:
        raise SettingsError(f"{path}: {error.what}", error.hint) from error
    return replace(recipe, **{key: value for key, value in changes.items() if value is not None})


def _check_layers(table: str, layers: tuple[int, ...]) -> None:
    if not layers or not all(type(layer) is int for layer in layers):
        raise SettingsError(f"{table}: layers are the numbers of one or more hidden states")


_TABLES: dict[str, type] = {
    "views": ViewSettings,
    "specaugment": SpecAugment,
    "distil": Distillation,
    "imitation": FeatureDistillation,
}


def _make(kind: type[T], table: object, place: str) -> T:
    """Make a settings object of a TOML table: only keys that it has, each value of its default's type."""
    if not isinstance(table, Mapping):
        raise SettingsError(f"{place} must be a table, not {table!r}")
    defaults = {
        each.name: each.default_factory() if each.default_factory is not MISSING else each.default
        for each in fields(kind)  # type: ignore[arg-type]
    }
    for key, value in table.items():
        if key not in defaults:
            raise SettingsError(f"{place} has no setting {key!r}", f"Known: {', '.join(defaults)}.")
        if not _fits(value, defaults[key]):
            raise SettingsError(f"{place}: {key} cannot be {value!r}", f"Its default is {defaults[key]!r}.")
    return kind(**{key: tuple(value) if isinstance(value, list) else value for key, value in table.items()})


def _fits(value: object, default: object) -> bool:
    """Say whether a value of a TOML file is of a default's type; any number will do for a float."""
    if isinstance(default, tuple):
        return isinstance(value, list) and all(_fits(each, default[0]) for each in value)
    if isinstance(default, float):
        return type(value) in (int, float)
    if default is MISSING:  # a name
        return isinstance(value, str)
    return default is None or type(value) is type(default)
