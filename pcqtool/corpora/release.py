"""Optional release metadata of a corpus class: download URLs, checksums, expected counts, commercial use."""

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
        url: an http or https address that ends in the file's name.
        checksum: the published checksum, ``sha256:…`` or ``md5:…``; None if none is published.
        size_bytes: None if unknown.
        folder: target folder below the corpus's root, such as ``audio/male``; empty for the root itself.
        hosts: other hosts to which the address may redirect over https; its own host is always allowed.

    Raises:
        SettingsError: if a value is invalid.
    """

    url: str
    checksum: str | None = None
    size_bytes: int | None = None
    folder: str = ""
    hosts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not _is_address(self.url) or self.name in ("", ".", "..") or not self.name.isprintable():
            raise SettingsError(f"{self.url!r} is not the http address of a file")
        if self.checksum is not None:
            match = CHECKSUM.fullmatch(self.checksum)
            if match is None or len(match[2]) != 2 * hashlib.new(match[1], usedforsecurity=False).digest_size:
                raise SettingsError(f"{self.url}: {self.checksum!r} is not a checksum", "An example is md5:0123….")
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
    except ValueError:  # brackets without an IPv6 address
        return False


@dataclass(frozen=True)
class Expected:
    """The published contents of a complete copy of a corpus.

    Attributes:
        n_utterances: number of utterances; None if the counts below state it.
        by_label: utterances of each class, with the names of ``pcqtool.labels``; empty if unknown.
        by_speaker: utterances of each speaker; empty if unknown.
        exhaustive: whether the corpus lists every recording below the root, so that any other is a fault.
        digests: a text file with a line ``DIGEST NAME`` for each recording, from
            ``pcqtool.corpora.testing.digests``. Names must be unique in the corpus, and the format must be lossless:
            decoders differ in the samples of an MP3.
    """

    n_utterances: int | None = None
    by_label: Mapping[str, int] = field(default_factory=dict)
    by_speaker: Mapping[str, int] = field(default_factory=dict)
    exhaustive: bool = True
    digests: Path | None = None

    @property
    def total(self) -> int | None:
        """The number of utterances; None if unknown."""
        counts = self.by_label or self.by_speaker
        return self.n_utterances if self.n_utterances is not None or not counts else sum(counts.values())

    def read_digests(self) -> dict[str, str]:
        """Read the digests by file name; empty without a file of digests.

        Raises:
            CorpusError: if the file cannot be read.
        """
        if self.digests is None:
            return {}
        try:
            lines = self.digests.read_text("utf-8").splitlines()
            return {name: digest for digest, name in (line.split(maxsplit=1) for line in lines if line.strip())}
        except (OSError, ValueError) as error:
            hint = "Each line is a digest and a name."
            raise CorpusError(f"{self.digests}: cannot be read: {error}", hint) from error


def downloads_of(corpus: type[Corpus]) -> tuple[Download, ...]:
    """Return a corpus's optional class attribute ``downloads``."""
    return tuple(getattr(corpus, "downloads", ()))


def commercial_use_of(corpus: Corpus | type[Corpus]) -> bool | None:
    """Return a corpus's optional class attribute ``commercial_use``; None if its terms are unknown."""
    allowed: bool | None = getattr(corpus, "commercial_use", None)
    return allowed


def expected_of(corpus: type[Corpus]) -> Expected:
    """Return a corpus's optional class attribute ``expected``."""
    found: Expected = getattr(corpus, "expected", Expected())
    return found
