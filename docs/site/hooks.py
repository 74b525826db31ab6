"""MkDocs' hooks: pages that come from the code, and links that work in the repository and on the site."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

import api_reference  # noqa: E402
import command_reference  # noqa: E402
from site_links import SiteLinks  # noqa: E402

# Pages of the site that are files outside docs/.
FROM_OUTSIDE = {
    "changelog.md": "CHANGELOG.md",
    "contributing.md": "CONTRIBUTING.md",
    "examples.md": "examples/README.md",
}
# What replaces a line such as "<!-- made: commands -->".
MADE: dict[str, Callable[[], str]] = {
    "commands": command_reference.commands,
    "settings": command_reference.settings_sample,
    "api": api_reference.names,
}
MARKER = re.compile(r"^<!-- made: (\w+) -->$", re.MULTILINE)
DOCTEST_FLAG = re.compile(r" +# doctest: .*$", re.MULTILINE)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages from outside docs/."""
    for uri, source in FROM_OUTSIDE.items():
        files.append(File.generated(config, uri, abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Fill in what is made from the code, and turn links towards the site's pages."""
    uri = page.file.src_uri
    source = ROOT / FROM_OUTSIDE[uri] if uri in FROM_OUTSIDE else Path(config.docs_dir, uri)
    pages = {(Path(config.docs_dir, file.src_uri)).resolve(): file.src_uri for file in files if _is_shown(file)}
    pages |= {ROOT / outside: name for name, outside in FROM_OUTSIDE.items()}
    text = SiteLinks(source, uri, pages).turn(markdown)
    return MARKER.sub(lambda match: MADE[match[1]](), DOCTEST_FLAG.sub("", text))


def _is_shown(file: Any) -> bool:
    return bool(file.inclusion.is_included())
