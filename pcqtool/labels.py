"""The shared vocabulary of emotion names, and the other names under which corpora know them."""

from __future__ import annotations

from collections.abc import Iterable

from pcqtool.errors import SettingsError

VOCABULARY = (
    "anger",
    "boredom",
    "calm",
    "contempt",
    "disgust",
    "excitement",
    "fear",
    "frustration",
    "happiness",
    "neutral",
    "sadness",
    "sleepiness",
    "surprise",
)

ALIASES = {
    "angry": "anger",
    "bored": "boredom",
    "calmness": "calm",
    "contemptuous": "contempt",
    "disgusted": "disgust",
    "excited": "excitement",
    "afraid": "fear",
    "anxiety": "fear",
    "fearful": "fear",
    "frustrated": "frustration",
    "happy": "happiness",
    "joy": "happiness",
    "joyful": "happiness",
    "neutrality": "neutral",
    "sad": "sadness",
    "sleepy": "sleepiness",
    "surprised": "surprise",
}


def canonical(name: str) -> str:
    """Give the vocabulary's name for an emotion: ``Angry`` → ``anger``.

    Merging two emotions into one (``excitement`` → ``happiness``) is a corpus's decision and not made here.

    Raises:
        SettingsError: if the name is neither in the vocabulary nor an alias.
    """
    key = normalise_label(name)
    if key not in VOCABULARY:
        raise SettingsError(
            f"unknown emotion {name[:80]!r}{'…' if len(name) > 80 else ''}",
            f"Known: {', '.join(VOCABULARY)}; and as aliases {', '.join(ALIASES)}.",
        )
    return key


def normalise_label(name: str) -> str:
    """Give a name without what makes no difference: in lower case, and for an alias what it stands for."""
    key = name.strip().lower()
    return ALIASES.get(key, key)


def sort_labels(names: Iterable[str]) -> tuple[str, ...]:
    """Sort labels as the vocabulary lists them, each once: the order of classes in every model and table."""
    return tuple(sorted(set(names), key=_place))


def _place(name: str) -> tuple[int, str]:
    """Give a label's place: those that the vocabulary does not have come last."""
    return (VOCABULARY.index(name) if name in VOCABULARY else len(VOCABULARY)), name
