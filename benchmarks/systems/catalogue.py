"""The systems that are compared, and the conditions under which each is trained and tested."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pcqtool.batch.profiling import AUTO
from pcqtool.fingerprint import fingerprint
from pcqtool.model.profile_file import OFF
from pcqtool.splits import CORPUS
from pcqtool.training.recipe import Recipe, load_recipe

RIVALS = Path(__file__).parents[2] / "plugins" / "rivals" / "pcqtool_rivals"


@dataclass(frozen=True)
class ComparedSystem:
    """A system that is compared.

    Attributes:
        name: name of its folder and in the records.
        title: name in tables.
        recipe: name of a recipe in the package, or a TOML file.
        encoder: pre-trained encoder instead of the recipe's.
        pool_recipe: the recipe for several corpora, if it is another one.
        claims: names in ``docs/published.toml`` under which others published figures of it.
    """

    name: str
    title: str
    recipe: str
    encoder: str = ""
    pool_recipe: str = ""
    claims: tuple[str, ...] = ()

    def load(self, several_corpora: bool = False) -> Recipe:
        """Return the recipe for one corpus, or for several.

        Raises:
            SettingsError: if the recipe cannot be read.
        """
        return load_recipe(self.pool_recipe if several_corpora and self.pool_recipe else self.recipe)

    def recipe_hash(self, several_corpora: bool = False, n_utterances: int | None = None) -> str:
        """Hash the settings, those for corpora of some size if it is given, and the name of the encoder."""
        recipe = self.load(several_corpora)
        if n_utterances is not None:
            recipe = recipe.for_corpus(n_utterances)
        return recipe_hash(recipe.to_dict(), recipe.encoder_and_teacher(self.encoder)[0])


def recipe_hash(recipe: Mapping[str, Any], encoder: str | None) -> str:
    """Hash a recipe's settings and the name of the encoder, wherever its directory is.

    Settings at their defaults do not count, so that a new one, which older runs do not state, changes no hash.
    """
    settings = _without_defaults(recipe, Recipe("").to_dict())
    return fingerprint([settings, encoder and encoder.rpartition("/")[2]])


def _without_defaults(settings: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    found = {}
    for name, value in settings.items():
        default = defaults.get(name)
        if isinstance(value, Mapping) and isinstance(default, Mapping):
            value, default = _without_defaults(value, default), {}
        if fingerprint(value) != fingerprint(default):  # a tuple equals a list
            found[name] = value
    return found


@dataclass(frozen=True)
class Condition:
    """Corpora, and how they are divided into training and test.

    Attributes:
        name: name of its folder and in the records.
        title: name in tables.
        corpora: names of the corpora; of several, the classes that all have.
        protocol: name of the protocol.
        profile: what inputs are standardised by; networks without profiles have only ``off`` in protocol ``corpus``.
    """

    name: str
    title: str
    corpora: tuple[str, ...]
    protocol: str
    profile: str = AUTO

    @property
    def several_corpora(self) -> bool:
        """Whether there is more than one corpus."""
        return len(self.corpora) > 1

    def fits(self, profile_s: float) -> bool:
        """Return whether a network with these profiles is tested here, and not only where all have none."""
        return self.protocol != CORPUS or self.profile == OFF or profile_s > 0


def _rival(name: str, title: str, *claims: str) -> ComparedSystem:
    return ComparedSystem(name, title, str(RIVALS / f"{name}.toml"), claims=claims)


PCQ_SYSTEMS = (
    ComparedSystem("best", "PCQ with Whisper-base", "best", claims=("PCQ",)),
    ComparedSystem("mini-emodb", "PCQ with its small encoder", "mini-emodb", pool_recipe="mini"),
)
SYSTEMS = (
    *PCQ_SYSTEMS,
    _rival("ca_mser", "CA-MSER with wav2vec 2.0", "CA-MSER, run by PCQ's authors"),
    _rival("ca_mser_whisper", "CA-MSER with Whisper-base"),
    _rival("encoder_means", "Whisper-base means"),
    _rival("compare_svm", "SVM on ComParE"),
    _rival("egemaps_svm", "SVM on eGeMAPS"),
    _rival("alexnet", "AlexNet"),
    _rival("light_sernet", "Light-SERNet", "Light-SERNet"),
    _rival("tim_net", "TIM-Net", "TIM-Net", "TIM-Net, its own erratum"),
    _rival("gm_tcnet", "GM-TCNet", "GM-TCNet", "GM-TCNet, corrected"),
    _rival("glam", "GLAM", "GLAM"),
)
"""The rows of the table."""

PAPER_SYSTEMS = (
    ComparedSystem("paper-whisper", "the paper's PCQ with Whisper-base", "paper", "openai/whisper-base"),
    ComparedSystem("paper-wavlm", "the paper's PCQ with WavLM-base", "paper"),
)
"""The paper's settings, the encoder trained as well: a study of protocols, which takes hours."""

_ALL = ("emodb", "nemo", "ravdess")
CONDITIONS = (
    Condition("emodb-loso", "EMO-DB, new speakers", ("emodb",), "loso"),
    Condition("emodb-random10", "EMO-DB, random tenths", ("emodb",), "random10"),
    Condition("emodb-sentence", "EMO-DB, new texts", ("emodb",), "sentence"),
    Condition("nemo-loso", "nEMO, new speakers", ("nemo",), "loso"),
    Condition("ravdess-loso", "RAVDESS, new speakers", ("ravdess",), "loso"),
    Condition("corpora", "new corpus, its profile", _ALL, CORPUS),
    Condition("corpora-off", "new corpus, no profile", _ALL, CORPUS, OFF),
)
"""The columns of the table."""

PAPER_CONDITIONS = (*CONDITIONS[:2], Condition("emodb-paper", "EMO-DB, validation = test", ("emodb",), "paper"))
"""The protocols that ``PAPER_SYSTEMS`` are compared under."""


def conditions_of(system: ComparedSystem) -> tuple[Condition, ...]:
    """Return the conditions that a system is compared under."""
    return PAPER_CONDITIONS if system in PAPER_SYSTEMS else CONDITIONS
