"""Recipes: every setting that decides how a model is trained, in a small TOML file."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields, replace
from itertools import takewhile
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from pcqtool import toml
from pcqtool.aggregation import AGGREGATIONS
from pcqtool.audio.segment import SEGMENT_S
from pcqtool.errors import SettingsError
from pcqtool.model.registry import DEFAULT_KIND
from pcqtool.splits.validation_size import ValidationSize
from pcqtool.training.augmentation import Augmentations

PRECISIONS = ("auto", "float32", "bfloat16", "float16")
_BUNDLED = Path(__file__).parent / "recipes"
T = TypeVar("T")


@dataclass(frozen=True)
class Distillation:
    """Knowledge distillation from a teacher: a pre-trained encoder with a linear classifier on its frames.

    Raises:
        SettingsError: a value that cannot be used.
    """

    layers: tuple[int, ...] = (2, 3)  # the teacher's hidden states, side by side; the classifier gets their means
    kd_weight: float = 1.0  # weight of the loss against the teacher's probabilities; the labels' loss has 1
    temperature: float = 2.0  # softens the teacher's and the student's probabilities (Hinton et al., 2015)

    def __post_init__(self) -> None:
        _check_layers("distillation", self.layers)
        if self.kd_weight < 0 or not 0 < self.temperature < math.inf:
            raise SettingsError("distillation: kd_weight must be 0 or more, temperature positive")


@dataclass(frozen=True)
class FeatureDistillation:
    """Feature distillation: before training, the mini encoder learns to predict a pre-trained encoder's frames.

    Raises:
        SettingsError: a value that cannot be used.
    """

    # The teacher's hidden states, from low to high. Each is predicted from the student's state at the same relative
    # depth: the lowest from its stem, the highest from its last block.
    layers: tuple[int, ...] = (0, 1, 2, 3)
    epochs: int = 30  # passes over the training utterances, each with one version of every utterance
    batch_size: int = 12  # segments
    crop_s: float = 2.0  # length of the random crop of each segment
    frame_pool: int = 1  # frames of the student, and of the teacher at its rate, that are averaged
    lr: float = 0.02  # peak learning rate of Muon for the matrices; AdamW trains the rest at a twentieth of it
    weight_decay: float = 0.02  # of both optimisers
    mean_weight: float = 1.0  # weight of the error in a segment's mean frame; the error in its frames has 1

    def __post_init__(self) -> None:
        _check_layers("feature_distillation", self.layers)
        if min(self.epochs, self.batch_size, self.frame_pool) < 1:
            raise SettingsError("feature_distillation: epochs, batch_size and frame_pool must be 1 or more")
        if not (0.5 <= self.crop_s <= SEGMENT_S and 0 < self.lr < math.inf):
            raise SettingsError(f"feature_distillation: crop_s must be from 0.5 to {SEGMENT_S}, lr positive")
        if min(self.weight_decay, self.mean_weight) < 0:
            raise SettingsError("feature_distillation: weight_decay and mean_weight must be 0 or more")


@dataclass(frozen=True)
class SpecAugment:
    """Masks on spectrograms, drawn for each segment (Park et al., 2019).

    Raises:
        SettingsError: a value that cannot be used.
    """

    time_mask: float = 0.1  # largest width of a time mask, as a fraction of the segment
    frequency_mask: float = 0.15  # largest width of a frequency mask, as a fraction of the bins
    n_time_masks: int = 2
    n_frequency_masks: int = 2

    def __post_init__(self) -> None:
        if not (0 <= self.time_mask <= 1 and 0 <= self.frequency_mask <= 1):
            raise SettingsError("specaugment: time_mask and frequency_mask are fractions, from 0 to 1")
        if min(self.n_time_masks, self.n_frequency_masks) < 0:
            raise SettingsError("specaugment: n_time_masks and n_frequency_masks must be 0 or more")


@dataclass(frozen=True)
class ProfileSimulation:
    """How the batches are drawn whose profiles the network is trained with.

    In each epoch the speakers of a corpus are divided at random into batches. The profile of a batch is measured on a
    random subset of its utterances, of random size and class mix.

    Raises:
        SettingsError: a value that cannot be used.
    """

    p_none: float = 0.25  # probability that a batch has no profile but the training data's
    p_speaker: float = 0.2  # probability that the speakers of a batch have profiles of their own on top
    max_batches: int = 4  # largest number of batches of a corpus
    max_utterances: int = 400  # largest number of utterances that a profile is measured on

    def __post_init__(self) -> None:
        if not (0 <= self.p_none <= 1 and 0 <= self.p_speaker <= 1):
            raise SettingsError("profiles: p_none and p_speaker are probabilities, from 0 to 1")
        if min(self.max_batches, self.max_utterances) < 1:
            raise SettingsError("profiles: max_batches and max_utterances must be 1 or more")


@dataclass(frozen=True)
class Recipe:
    """The settings of a training run; ``docs/training.md`` explains each of them.

    Raises:
        SettingsError: a value that cannot be used.
    """

    name: str
    # Settings of the network that differ from its defaults; ``kind`` names a plugin's network, instead of PCQ.
    network: Mapping[str, Any] = field(default_factory=dict)
    encoder: str = ""  # directory or Hub id of the pre-trained encoder to build on
    teacher: str = ""  # directory or Hub id of the teacher; empty: the encoder that the network builds on
    epochs: int = 60  # passes over the training utterances, each with one version of every utterance
    patience: int = 20  # epochs without a better validation loss before training stops
    min_draws: int = 0  # utterances drawn over all epochs, at least: a small corpus gets more epochs, and more patience
    batch_size: int = 16  # segments
    grad_accumulation: int = 1  # batches per optimiser step
    precision: str = "auto"  # auto: half precision for training a pre-trained encoder where the device gains by it
    lr: float = 1e-3  # peak learning rate
    encoder_lr: float = 1e-5  # peak learning rate of a pre-trained encoder
    layer_decay: float = 1.0  # factor on encoder_lr for each layer further down
    schedule: str = "cosine"  # or "constant"
    warmup_steps: int = 100
    weight_decay: float = 0.05  # AdamW's; applies to weights, not to biases and scales
    label_smoothing: float = 0.1
    class_weighting: bool = True  # weight classes by the inverse of their frequency
    max_grad_norm: float = 5.0
    mixup: float = 0.0  # Beta parameter for mixing pairs of segments and their labels (Zhang et al., 2018); 0: off
    specaugment: SpecAugment | None = None
    ema: float = 0.0  # decay per step of the weights' moving average, which becomes the model; 0: the last weights
    n_augmented: int = 12  # augmented versions of each utterance
    p_clean: float = 0.0  # probability of training on the recording itself instead of a drawn version
    augmentations: Augmentations = field(default_factory=Augmentations)
    distillation: Distillation | None = None
    feature_distillation: FeatureDistillation | None = None  # for a frozen encoder of the kind mini
    profiles: ProfileSimulation = field(default_factory=ProfileSimulation)  # used where the network has profile_s
    cache: bool = True  # keep augmented segments, a frozen encoder's states and distilled encoders on disk
    refit: bool = False  # train again on training and validation parts together, for the best number of epochs
    calibration: str = "validation"  # what temperatures are fitted to; or "corpora", each left out in turn
    validation_fraction: float = 0.0  # of the speakers (texts, tenths of the files) outside the test part; at least one
    aggregation: str = "mean-log"  # rule from segments to file, in validation and in the model
    seed: int = 0  # of weights, order and augmentation

    def __post_init__(self) -> None:
        self._check("must be 1 or more", ("epochs", "patience", "batch_size", "grad_accumulation"), lambda n: n >= 1)
        if self.batch_size < self.min_batch_size:
            raise SettingsError(
                f"recipe {self.name}: fusion_batch_norm needs a batch_size of 2 or more",
                "A single segment has no variance.",
            )
        not_negative = ("min_draws", "n_augmented", "warmup_steps", "seed", "weight_decay", "mixup")
        self._check("must be 0 or more", not_negative, lambda n: n >= 0)
        self._check("must be positive", ("lr", "encoder_lr", "max_grad_norm"), lambda x: 0 < x < math.inf)
        fractions = ("ema", "label_smoothing", "p_clean", "validation_fraction")
        self._check("must be from 0 to below 1", fractions, lambda x: 0 <= x < 1)
        self._check("must be above 0 and at most 1", ("layer_decay",), lambda x: 0 < x <= 1)
        known = {
            "calibration": ("validation", "corpora"),
            "precision": PRECISIONS,
            "schedule": ("cosine", "constant"),
            "aggregation": tuple(AGGREGATIONS),
        }
        for key, values in known.items():
            if getattr(self, key) not in values:
                raise SettingsError(
                    f"recipe {self.name}: unknown {key} {getattr(self, key)!r}", f"Known: {', '.join(values)}."
                )

    def _check(self, rule: str, keys: tuple[str, ...], holds: Callable[[float], bool]) -> None:
        for key in keys:
            if not holds(getattr(self, key)):
                raise SettingsError(f"recipe {self.name}: {key} {rule}, not {getattr(self, key)!r}")

    @property
    def kind(self) -> str:
        """The kind of the network."""
        return str(self.network.get("kind", DEFAULT_KIND))

    @property
    def min_batch_size(self) -> int:
        """The smallest ``batch_size`` that the network can be trained with."""
        return 2 if self.network.get("fusion_batch_norm", False) else 1

    def encoder_and_teacher(
        self, encoder: str | None = None, teacher: str | None = None
    ) -> tuple[str | None, str | None]:
        """Return the encoder to build on and the teacher: the given ones, or else the recipe's."""
        encoder = encoder or self.encoder or None
        return encoder, teacher or self.teacher or encoder

    def validation_size(self, number: int | None = None) -> ValidationSize:
        """Return how many speakers (texts, tenths of the files) validate: ``number``, or the recipe's fraction."""
        return ValidationSize(fraction=self.validation_fraction) if number is None else ValidationSize(number)

    @property
    def needs_teacher(self) -> bool:
        """Whether the recipe distils a teacher."""
        return self.distillation is not None or self.feature_distillation is not None

    def for_corpus(self, n_utterances: int) -> Recipe:
        """Return the recipe with the epochs and the patience that a corpus of this size gets."""
        epochs = max(self.epochs, -(-self.min_draws // max(n_utterances, 1)))
        return replace(self, epochs=epochs, patience=-(-self.patience * epochs // self.epochs))

    @property
    def n_distillation_epochs(self) -> int:
        """Number of epochs of feature distillation, which come first."""
        return 0 if self.feature_distillation is None else self.feature_distillation.epochs

    def to_dict(self) -> dict[str, Any]:
        """Return the recipe as JSON values, for the model's provenance."""
        return asdict(self)


def bundled_recipes() -> list[str]:
    """Return the names of the recipes inside the package."""
    return sorted(path.stem for path in _BUNDLED.glob("*.toml"))


def recipe_text(name: str) -> str:
    """Return a recipe of the package as TOML.

    Raises:
        SettingsError: if the package has no recipe of that name.
    """
    if name not in bundled_recipes():
        raise SettingsError(f"no recipe {name!r} in the package", f"Known: {', '.join(bundled_recipes())}.")
    return (_BUNDLED / f"{name}.toml").read_text(encoding="utf-8")


def describe_recipes() -> dict[str, str]:
    """Return each recipe of the package with the comment that its file begins with."""
    about = {}
    for name in bundled_recipes():
        lines = takewhile(lambda line: line.startswith("#"), recipe_text(name).splitlines())
        about[name] = " ".join(line.lstrip("# ") for line in lines)
    return about


def load_recipe(name: str, settings: Mapping[str, Any] = MappingProxyType({}), **changes: Any) -> Recipe:
    """Read a bundled recipe by name, or a TOML file, and change some settings.

    Args:
        name: name of a bundled recipe, or a file.
        settings: values as in the file, by dotted key: ``network.dropout``.
        changes: values by name; ``None`` changes nothing.

    Raises:
        SettingsError: if the recipe does not exist, or has an unknown key or a wrong value.
    """
    path = _BUNDLED / f"{name}.toml" if name in bundled_recipes() else Path(name)
    try:
        entries: dict[str, Any] = {"name": path.stem} | toml.load(path)
    except OSError as error:
        raise SettingsError(
            f"recipe {name!r} cannot be found",
            f"Bundled recipes: {', '.join(bundled_recipes())}. Or name a TOML file.",
        ) from error
    try:
        entries = _with_settings(entries, settings)
        for key, kind in TABLES.items():
            if key in entries:
                entries[key] = _from_table(kind, entries[key], f"[{key}]")
        recipe = _from_table(Recipe, entries, "a recipe")
    except SettingsError as error:
        raise SettingsError(f"{path}: {error.what}", error.hint) from error
    changes = {key: value for key, value in changes.items() if value is not None}
    if "epochs" in {*settings, *changes} and "min_draws" not in settings:
        changes["min_draws"] = 0  # the user has decided
    return replace(recipe, **changes)


def _with_settings(entries: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return a recipe's TOML entries with some settings changed; a missing table is added.

    Args:
        entries: the content of a recipe's file.
        settings: values by dotted key.

    Raises:
        SettingsError: if a table of the recipe is not one.
    """
    found = dict(entries)
    for key, value in settings.items():
        first, dot, rest = key.partition(".")
        if dot:
            inner = found.get(first, {})
            if not isinstance(inner, Mapping):
                raise SettingsError(f"{first} is not a table of settings, so {key} cannot be set")
            value = _with_settings(inner, {rest: value})
        found[first] = value
    return found


def _check_layers(table: str, layers: tuple[int, ...]) -> None:
    if not layers or not all(type(layer) is int for layer in layers):
        raise SettingsError(f"{table}: layers are the numbers of one or more hidden states")


TABLES: dict[str, type] = {
    "augmentations": Augmentations,
    "specaugment": SpecAugment,
    "profiles": ProfileSimulation,
    "distillation": Distillation,
    "feature_distillation": FeatureDistillation,
}


def _from_table(kind: type[T], table: object, place: str) -> T:
    """Build a settings object from a TOML table, whose values must have the types of the defaults."""
    if not isinstance(table, Mapping):
        raise SettingsError(f"{place} must be a table, not {table!r}")
    defaults = {
        each.name: each.default_factory() if each.default_factory is not MISSING else each.default
        for each in fields(kind)  # type: ignore[arg-type]
    }
    for key, value in table.items():
        if key not in defaults:
            raise SettingsError(f"{place} has no setting {key!r}", f"Known: {', '.join(defaults)}.")
        if not _has_type_of(defaults[key], value):
            raise SettingsError(f"{place}: {key} cannot be {value!r}", f"Its default is {defaults[key]!r}.")
    return kind(**{key: tuple(value) if isinstance(value, list) else value for key, value in table.items()})


def _has_type_of(default: object, value: object) -> bool:
    """Check a TOML value's type against the default's; any number is accepted for a float."""
    if isinstance(default, tuple):
        return isinstance(value, list) and all(_has_type_of(default[0], each) for each in value)
    if isinstance(default, float):
        return type(value) in (int, float)
    if default is MISSING:  # the name
        return isinstance(value, str)
    return default is None or type(value) is type(default)
