"""The text that a package index shows; everything else is in pyproject.toml.

An index has no files beside the text, so relative links would be broken there. Each becomes its words and the file's
path, and images of the repository are left out.
"""

import re
from pathlib import Path

from setuptools import setup

README = Path(__file__).with_name("README.md").read_text("utf-8")
IMAGE = re.compile(r"!\[[^\]]*\]\((?!https?:)[^)]*\)\n*")
LINK = re.compile(r"\[([^\]]+)\]\((?!https?:)([^)#]*)(?:#[^)]*)?\)")


def as_text(link: re.Match[str]) -> str:
    """Return a link's words, and the path of the file if they do not name it."""
    words, path = link.groups()
    return f"`{path}`" if words == path else f"{words} (`{path}`)" if path else words


setup(
    long_description=LINK.sub(as_text, IMAGE.sub("", README))
    + "\nThe files that are named here are in the repository and in the source distribution.\n",
    long_description_content_type="text/markdown",
)
