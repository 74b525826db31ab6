"""Fetch a public corpus: download, verify and unpack its files; the folder appears when all of it is complete."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from pcqtool.corpora.base import Corpus
from pcqtool.corpora.download import OnBytes
from pcqtool.corpora.download.transfer import download
from pcqtool.corpora.download.unpack import is_archive, unpack
from pcqtool.corpora.release import Download, downloads_of
from pcqtool.corpora.roots import how_to_apply
from pcqtool.errors import CorpusError, FileError
from pcqtool.files.atomic import write_whole
from pcqtool.files.lock import LOCK_FILE, locked

WORK_FOLDER = ".fetch"
RECORD_FILE = "fetched.json"

ShowProgress = Callable[[str], AbstractContextManager[OnBytes]]


@dataclass(frozen=True)
class FetchedFile:
    """A file after its download.

    Attributes:
        url: its address.
        sha256: its checksum.
        size_bytes: its size.
        fetched: time of the download, in UTC.
        checked_by: the checksum it was compared with: ``publisher``, ``first fetch`` (of an earlier download), or
            ``nothing`` (this is the first download).
    """

    url: str
    sha256: str
    size_bytes: int
    fetched: str
    checked_by: str


def fetch(
    corpus: type[Corpus],
    root: Path,
    show_progress: ShowProgress,
    log: Callable[[str], None],
    sleep: Callable[[float], None] = time.sleep,
    hosts: Sequence[str] = (),
) -> list[FetchedFile]:
    """Download a corpus, or resume an earlier download.

    Until everything is complete, the files stay in ``.fetch/NAME`` beside ``root``. The checksums remain there: a file
    without a published checksum is compared with that of its first download.

    Args:
        corpus: its class.
        root: the folder to create.
        show_progress: shows the progress of a piece of work, given its title.
        log: takes a line about a failed attempt.
        sleep: pauses between attempts, for a number of seconds.
        hosts: hosts to which addresses may redirect, besides their own and those that the class names.

    Returns:
        The files, in the order of the class's ``downloads``; empty if ``root`` exists already and is not empty.

    Raises:
        CorpusError: if the corpus is not public, cannot be downloaded, or differs from the published files.
        LockedError: if another process is fetching it.
    """
    files = [replace(each, hosts=(*each.hosts, *hosts)) for each in downloads_of(corpus)]
    if not files:
        raise CorpusError(f"corpus {corpus.name!r} cannot be downloaded by a program", how_to_apply(corpus, root))
    work = root.parent / WORK_FOLDER / root.name
    unpacked = work / "unpacked"
    with _disk_errors(work), locked(work / LOCK_FILE, f"{work}: another process is fetching it", "Wait for it."):
        if root.exists() and any(root.iterdir()):
            return []
        record = _ChecksumRecord(work / RECORD_FILE)
        done = [_fetch_file(each, work, record, show_progress, log, sleep) for each in files]
        try:
            shutil.rmtree(unpacked, ignore_errors=True)
            for each in files:
                _unpack(work / each.name, unpacked / each.folder, show_progress)
            unpacked.rename(root)
        finally:
            shutil.rmtree(unpacked, ignore_errors=True)
        record.add(done)
        for each in files:
            (work / each.name).unlink()
    return done


class _ChecksumRecord:
    """The checksums of earlier downloads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._entries = {each["url"]: FetchedFile(**each) for each in json.loads(path.read_text("utf-8"))}
        except FileNotFoundError:
            self._entries = {}
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            hint = "Remove it: it only contains earlier checksums."
            raise CorpusError(f"{path}: cannot be read: {error}", hint) from error

    def first(self, url: str) -> FetchedFile | None:
        return self._entries.get(url)

    def add(self, fetched: list[FetchedFile]) -> None:
        """Store new files; for files that were fetched before, the first entry stays."""
        self._entries = {each.url: each for each in fetched} | self._entries
        text = json.dumps([asdict(each) for each in self._entries.values()], indent=2)
        write_whole(self.path, f"{text}\n".encode())


def _fetch_file(
    file: Download,
    work: Path,
    record: _ChecksumRecord,
    show_progress: ShowProgress,
    log: Callable[[str], None],
    sleep: Callable[[float], None],
) -> FetchedFile:
    target = work / file.name
    if not target.exists():
        with show_progress(f"downloading {file.url}") as on_progress:
            download(file, target, lambda done, total: on_progress(done, total or file.size_bytes), log, sleep)
    algorithm, _, expected = (file.checksum or "sha256:").partition(":")
    hashes = _hashes(target, {algorithm, "sha256"})
    first = record.first(file.url)
    expected = expected or (first.sha256 if first else "")
    if expected and hashes[algorithm] != expected:
        target.unlink()
        raise _mismatch(file, first, f"{algorithm} {hashes[algorithm]}", expected, record.path)
    checked_by = "publisher" if file.checksum else "first fetch" if first else "nothing"
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return FetchedFile(file.url, hashes["sha256"], target.stat().st_size, now, checked_by)


def _mismatch(file: Download, first: FetchedFile | None, found: str, expected: str, record: Path) -> CorpusError:
    if file.checksum:
        return CorpusError(
            f"{file.url}: its {found} is not the published {expected}; the file was removed",
            "Run this again. If that does not help, the published file has changed: look for a newer pcqtool.",
        )
    since = f"fetched on {first.fetched}" if first else "fetched before"
    return CorpusError(
        f"{file.url}: its {found} differs from {expected}, {since}; the file was removed",
        f"No checksum is published. If the file may have changed, remove {record} and run this again.",
    )


def _hashes(path: Path, algorithms: set[str]) -> dict[str, str]:
    hashes = {name: hashlib.new(name, usedforsecurity=False) for name in algorithms}
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            for each in hashes.values():
                each.update(block)
    return {name: each.hexdigest() for name, each in hashes.items()}


def _unpack(file: Path, folder: Path, show_progress: ShowProgress) -> None:
    if not is_archive(file.name):
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy2(file, folder)
        return
    with show_progress(f"unpacking {file.name}") as on_progress:
        unpack(file, folder, on_progress)


@contextmanager
def _disk_errors(work: Path) -> Iterator[None]:
    remedy = "Free some space, or choose another folder."
    try:
        yield
    except OSError as error:
        place = error.filename or work
        raise CorpusError(f"{place}: cannot be written ({error.strerror or error})", remedy) from error
    except FileError as error:  # from the lock
        raise CorpusError(error.what, remedy) from error
