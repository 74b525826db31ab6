"""The list of a corpus, whoever has written its class and its tables: what goes into a result must be text."""

from __future__ import annotations

import unicodedata

from pcqtool.corpora.base import Corpus, Utterance
from pcqtool.corpora.testing.plugin_probe import brief, printing_aside
from pcqtool.errors import CorpusError, PcqtoolError, TerminatedError

NAMES = ("label", "speaker", "session", "text_id")
LONGEST = 500  # characters of a name
_REMEDY = "Mend its plugin, or the tables that it reads."


def list_utterances(corpus: Corpus) -> list[Utterance]:
    """List a corpus's utterances.

    Raises:
        CorpusError: as the corpus does; or if its class fails, or lists what is no utterance.
    """
    kind = type(corpus).__name__
    try:
        with printing_aside():
            found = list(corpus.utterances())
    except (PcqtoolError, KeyboardInterrupt, TerminatedError):
        raise
    except BaseException as error:  # a plugin's fault must not look like the tool's
        raise CorpusError(f"corpus {corpus.name!r} cannot be listed: {brief(error)}", _REMEDY) from error
    for each in found:
        if not isinstance(each, Utterance):
            raise CorpusError(
                f"corpus {corpus.name!r}: {kind} lists {str(each)[:80]!r}, which is no Utterance", _REMEDY
            )
        if what := next((what for name in NAMES if (what := fault_of(name, getattr(each, name)))), None):
            raise CorpusError(f"corpus {corpus.name!r}: {each.path}: {what}", _REMEDY)
    return found


def fault_of(name: str, value: object) -> str | None:
    """Say why a label, speaker, session or text cannot be one, None if it can; but for a label it may be unknown.

    A text may have several lines, since it may be what is said.
    """
    if value is None and name != "label":
        return None
    if not isinstance(value, str):
        return f"{name} is {str(value)[:80]!r}, a {type(value).__name__}, not text"
    if len(value) > LONGEST and name != "text_id":
        return f"{name} is {value[:40]!r}…, of {len(value):,} characters"
    if any("\ud800" <= character <= "\udfff" for character in value):
        return f"{name} is {value[:80]!r}, which is not UTF-8"
    if name != "text_id" and any(unicodedata.category(character) == "Cc" for character in value):
        return f"{name} is {value[:80]!r}, with control characters"
    return None
