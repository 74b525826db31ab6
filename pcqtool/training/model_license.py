"""The license of a trained model: what the terms of a training corpus forbid, the model forbids."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable

from pcqtool.corpora.base import Corpus
from pcqtool.corpora.release import commercial_use_of
from pcqtool.errors import SettingsError
from pcqtool.model.config import check_license

NOT_COMMERCIAL, COMMERCIAL = "not for commercial use", "commercial use is allowed"

_CREATIVE_COMMONS = re.compile(r"CC0|CC BY(-NC)?(-SA|-ND)?( \d\.\d)?")
_MAX_LENGTH = 1000


def model_license(corpora: Iterable[Corpus]) -> str:
    """Return the line on the license of a model that is trained on some corpora.

    It has the terms of the corpora that forbid commercial use or, if all allow it, those of all corpora. The line is
    empty if no corpus forbids commercial use and the terms of one are unknown.
    """
    corpora = list(corpora)
    allowed = [commercial_use_of(corpus) for corpus in corpora]
    if False in allowed:
        forbidding = [corpus for corpus, use in zip(corpora, allowed, strict=True) if use is False]
        return f"{_terms(forbidding)}: {NOT_COMMERCIAL}"
    return f"{_terms(corpora)}: {COMMERCIAL}" if all(allowed) else ""


def check_given_license(text: str | None) -> None:
    """Check a license that the user states instead of the derived one.

    Raises:
        SettingsError: if it is not one line of text, or too long.
    """
    try:
        check_license(text or "")
    except ValueError as error:
        raise SettingsError(str(error)) from error


def _terms(corpora: Iterable[Corpus]) -> str:
    """Return the different terms of some corpora, as one printable line."""
    terms = "; ".join(dict.fromkeys(_short_terms(corpus) for corpus in corpora))
    return textwrap.shorten(terms, _MAX_LENGTH, placeholder=" …")


def _short_terms(corpus: Corpus) -> str:
    """Return the name of a Creative Commons licence, or else the corpus's sentence on its licence."""
    if known := _CREATIVE_COMMONS.search(corpus.licence):
        return known[0]
    line = " ".join(corpus.licence.split()).rstrip(".") or f"the terms of {corpus.name}"
    return "".join(character for character in line if character.isprintable())
