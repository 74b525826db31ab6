"""The documentation as a site: built once, without a warning, with everything in it and nothing from elsewhere."""

from __future__ import annotations

import ast
import json
import logging
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml
from mkdocs.commands.build import build
from mkdocs.config import load_config
from mkdocs.config.defaults import MkDocsConfig

import pcqtool
from pcqtool.cli import app
from pcqtool.cli.common import settings_text

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
LOADED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "link": "href"}


class Page(HTMLParser):
    """What a page of the site loads, and its anchors."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.anchors.add(given.get("id") or "")
        if tag in LOADED and (address := given.get(LOADED[tag])):
            self.loaded.append(address)


class Warnings(logging.Handler):
    """Keeps MkDocs' warnings; strict mode would stop at the end without naming them."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.found.append(record.getMessage())


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[MkDocsConfig, list[str]]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        patch.setenv("NO_MKDOCS_2_WARNING", "1")
        handler, logger = Warnings(), logging.getLogger("mkdocs")
        logger.addHandler(handler)
        config = load_config(str(ROOT / "mkdocs.yml"), site_dir=str(tmp_path_factory.mktemp("site")))
        config.plugins.on_startup(command="build", dirty=False)
        build(config)
        logger.removeHandler(handler)
        yield config, handler.found


@pytest.fixture(scope="module")
def site(built: tuple[MkDocsConfig, list[str]]) -> Path:
    return Path(built[0].site_dir)


def page(site: Path, name: str) -> Page:
    return Page((site / name).read_text("utf-8"))


@pytest.mark.slow
def test_there_is_no_warning(built: tuple[MkDocsConfig, list[str]]) -> None:
    assert built[1] == []


@pytest.mark.slow
def test_every_command_and_option_has_an_entry(site: Path) -> None:
    text = (site / "commands.html").read_text("utf-8")
    anchors = page(site, "commands.html").anchors
    for path, command in settings_text.commands_of(app.program()):
        assert f"pcqtool-{'-'.join(path)}" in anchors
        for param in command.params:
            if param.param_type_name == "option":
                assert param.opts[0] in text, (path, param.name)
    assert "#min-confidence" in (site / "settings.html").read_text("utf-8")


@pytest.mark.slow
def test_every_public_name_has_an_entry(site: Path) -> None:
    assert {f"pcqtool.{name}" for name in pcqtool.__all__} <= page(site, "api.html").anchors


@pytest.mark.slow
def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    for file in site.rglob("*.html"):
        away = [address for address in Page(file.read_text("utf-8")).loaded if re.match(r"(?:https?:)?//", address)]
        assert away == [], file
    for file in (*site.rglob("*.css"), *site.rglob("*.svg")):
        assert not re.search(r"""(?:url\(|@import\s*)\s*["']?(?:https?:)?//""", file.read_text("utf-8")), file


@pytest.mark.slow
def test_the_search_knows_every_page(site: Path) -> None:
    index = json.loads((site / "search/search_index.json").read_text("utf-8"))
    found = {entry["location"].partition("#")[0] for entry in index["docs"]}
    assert {file.relative_to(site).as_posix() for file in site.rglob("*.html")} - {"404.html"} <= found
    assert (site / "search/search_index.js").is_file()  # for a site that is opened from the disk


@pytest.mark.slow
def test_links_out_of_the_folder_are_turned(site: Path) -> None:
    assert 'href="changelog.html"' in (site / "index.html").read_text("utf-8")
    assert 'href="calls.html"' in (site / "changelog.html").read_text("utf-8")
    models = (site / "models.html").read_text("utf-8")
    assert "<code>mini</code> (<code>pcqtool/training/recipes/mini.toml</code>)" in models


def test_the_navigation_has_every_page() -> None:
    class Loader(yaml.SafeLoader):
        """Reads YAML, without the functions that MkDocs allows in it."""

    Loader.add_multi_constructor("tag:yaml.org,2002:python/", lambda *_: None)
    settings = yaml.load((ROOT / "mkdocs.yml").read_text("utf-8"), Loader)  # noqa: S506 (a safe loader)
    in_nav = set(re.findall(r"[\w/-]+\.md", json.dumps(settings["nav"])))
    in_docs = {file.relative_to(DOCS).as_posix() for file in DOCS.rglob("*.md")}
    assert in_nav == in_docs | {"changelog.md", "contributing.md", "examples.md"}
    assert set(re.findall(r"\]\(([\w/-]+\.md)", (DOCS / "index.md").read_text("utf-8"))) == in_docs - {"index.md"}


def test_messages_that_troubleshooting_explains_are_there() -> None:
    texts = "\n".join(
        node.value
        for file in (ROOT / "pcqtool").rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )
    rows = re.findall(r"^\| `([^`]+)`", (DOCS / "troubleshooting.md").read_text("utf-8"), re.MULTILINE)
    assert len(rows) > 30
    for message in rows:
        if not message.startswith("No such option"):  # the words of the library that parses command lines
            parts = [
                part.strip(" :,") for part in re.sub("^unknown corpus", "unknown …", message).split("…")
            ]  # of plugins
            missing = [part for part in parts if part and part not in texts]
            assert missing == [], message
