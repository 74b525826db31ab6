"""What a corpus class can say of its release, if it wants to: where it is downloaded, and what it then holds."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from pcqtool.corpora.base import Corpus
from pcqtool.errors import CorpusError, SettingsError

CHECKSUM = re.compile(r"(md5|sha1|sha256|sha512):([0-9a-f]+)")


@dataclass(frozen=True)
class Download:
    """One file of a corpus at its official address; an archive is unpacked.

    Attributes:
        url: http or https; its last part is the name of the file.
        checksum: ``sha256:…`` or ``md5:…``, as its publisher gives it; None where none is published.
        size_bytes: None where it is not known.
        folder: where it belongs inside the corpus's folder: ``audio/male``; else right there.
        hosts: other hosts to which the address may lead, over https; to its own host it may anyway.

    Raises:
        SettingsError: if one of them is not of that form.
    """

    url: str
    checksum: str | None = None
    size_bytes: int | None = None
    folder: str = ""
    hosts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not _is_address(self.url) or self.name in ("", ".", "..") or not self.name.isprintable():
            raise SettingsError(f"{self.url!r} is no http address of a file")
        if self.checksum is not None:
            match = CHECKSUM.fullmatch(self.checksum)
            if match is None or len(match[2]) != 2 * hashlib.new(match[1], usedforsecurity=False).digest_size:
                raise SettingsError(f"{self.url}: {self.checksum!r} is no checksum", "It looks like md5:0123….")
        folder = PurePosixPath(self.folder)
        if folder.is_absolute() or ".." in folder.parts or "\\" in self.folder:
            raise SettingsError(f"{self.url}: folder {self.folder!r} is not inside the corpus")

    @property
    def name(self) -> str:
        """The file's name at that address."""
        return PurePosixPath(unquote(urlsplit(self.url).path)).name


def _is_address(url: str) -> bool:
    try:
        return urlsplit(url).scheme in ("http", "https")
    except ValueError:  # brackets with no address in them
        return False


@dataclass(frozen=True)
class Expected:
    """What a complete copy of a corpus holds, as it was published.

    Attributes:
        n_utterances: in all; None where the counts below say it.
        by_label: utterances of each class, under the names of ``pcqtool.labels``; empty where it is not known.
        by_speaker: utterances of each speaker; empty where it is not known.
        exhaustive: whether every recording below the root is listed, so that another one does not belong there.
        digests: a text file with a line ``DIGEST NAME`` for each recording, the digest as
            ``validation.contents.read`` gives it. Names must be unique in the corpus, and the recordings in
            a lossless format: another decoder gives other samples of an MP3.
    """

    n_utterances: int | None = None
    by_label: Mapping[str, int] = field(default_factory=dict)
    by_speaker: Mapping[str, int] = field(default_factory=dict)
    exhaustive: bool = True
    digests: Path | None = None

    @property
    def total(self) -> int | None:
        """The number of utterances; None if nothing says it."""
        counts = self.by_label or self.by_speaker
        return self.n_utterances if self.n_utterances is not None or not counts else sum(counts.values())

    def read_digests(self) -> dict[str, str]:
        """Read the digests, by file name; none if there is no such file.

        Raises:
            CorpusError: if it cannot be read.
        """
        if self.digests is None:
            return {}
        try:
            lines = self.digests.read_text("utf-8").splitlines()
            return {name: digest for digest, name in (line.split(maxsplit=1) for line in lines if line.strip())}
        except (OSError, ValueError) as error:
            raise CorpusError(f"{self.digests}: cannot be read: {error}", "A line is a digest and a name.") from error


def downloads_of(corpus: type[Corpus]) -> tuple[Download, ...]:
    """Give a corpus's downloads, its class attribute ``downloads``; none if it has no such attribute."""
    return tuple(getattr(corpus, "downloads", ()))


def expected_of(corpus: type[Corpus]) -> Expected:
    """Give what a corpus should hold, its class attribute ``expected_of``; nothing if it has no such attribute."""
    found: Expected = getattr(corpus, "expected", Expected())
    return found
