"""Text as the exported formats can hold it: on one line, without control characters."""

from __future__ import annotations

import re

_NOT_TEXT = re.compile(" *[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]+ *")
"""Control characters, line ends of Unicode, and what XML does not allow."""

_NOT_A_FIELD = re.compile(r'[\s"]+')


def one_line(text: str) -> str:
    r"""Return text with a space for each run of line ends, tabs and control characters.

    Examples:
        >>> one_line("two\r\nlines")
        'two lines'
    """
    return _NOT_TEXT.sub(" ", text)


def one_word(text: str) -> str:
    """Return text without white space and quotes: ``_`` replaces them.

    Examples:
        >>> one_word('my "own" call'), one_word("")
        ('my_own_call', '_')
    """
    return _NOT_A_FIELD.sub("_", one_line(text)) or "_"
