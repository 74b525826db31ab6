"""The shared vocabulary of emotion names, and the aliases that corpora use."""

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
    """Return the vocabulary's name of an emotion: ``Angry`` → ``anger``.

    Merging two emotions into one (``excitement`` → ``happiness``) is left to the corpus.

    Raises:
        SettingsError: the name is neither in the vocabulary nor an alias.
    """
    key = normalise_label(name)
    if key not in VOCABULARY:
        raise SettingsError(
            f"unknown emotion {name[:80]!r}{'…' if len(name) > 80 else ''}",
            f"Known names: {', '.join(VOCABULARY)}; aliases: {', '.join(ALIASES)}.",
        )
    return key


def normalise_label(name: str) -> str:
    """Return a name in lower case and without surrounding spaces, and an alias's canonical name."""
    key = name.strip().lower()
    return ALIASES.get(key, key)


def sort_labels(names: Iterable[str]) -> tuple[str, ...]:
    """Return labels in the order of the vocabulary, each once. Classes have this order in every model and table."""
    return tuple(sorted(set(names), key=_rank))


def _rank(name: str) -> tuple[int, str]:
    """Return a label's sort key: labels outside the vocabulary are last."""
    return (VOCABULARY.index(name) if name in VOCABULARY else len(VOCABULARY)), name
