"""Links of a page in the repository, turned into those of the site."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

# Code first, so that nothing inside it is taken for a link.
_CODE_OR_LINK = re.compile(
    r"(?P<code>^```.*?^```|`[^`\n]+`(?!\]))"
    r"|(?P<image>!?)\[(?P<words>[^\]]+)\]\((?![a-z]+:|#)(?P<path>[^)#\s]+)(?P<anchor>#[^)\s]+)?\)",
    re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True)
class SiteLinks:
    """Turns the links of one page.

    The project has no public address yet. A link to a file that is not on the site becomes its words and the file's
    path; a link to nothing stays, so that MkDocs reports it.

    Attributes:
        source: the page's file in the repository.
        uri: the page's place on the site, such as ``tutorials/analyst.md``.
        pages: places on the site by file in the repository.
    """

    source: Path
    uri: str
    pages: Mapping[Path, str]

    def turn(self, markdown: str) -> str:
        """Return the page with its links turned."""
        return _CODE_OR_LINK.sub(self._turned, markdown)

    def _turned(self, match: re.Match[str]) -> str:
        if match["code"]:
            return match[0]
        target = Path(os.path.normpath(self.source.parent / match["path"]))
        words, anchor = match["words"], match["anchor"] or ""
        if target in self.pages:
            way = os.path.relpath(self.pages[target], PurePosixPath(self.uri).parent)
            words = _title(target) if words == target.name else words
            return f"{match['image']}[{words}]({Path(way).as_posix()}{anchor})"
        if not target.exists():
            return match[0]
        return words if words.strip("`").endswith(target.name) else f"{words} (`{_in_repository(target)}`)"


def _title(page: Path) -> str:
    """Return a page's first line, its heading."""
    with page.open(encoding="utf-8") as lines:
        return lines.readline().strip("# \n")


def _in_repository(path: Path) -> str:
    return path.relative_to(Path(__file__).parents[2]).as_posix()
