"""Public corpora from their official address: downloaded, checked, unpacked, and there when all of it is."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from pcqtool.corpora.base import Corpus
from pcqtool.corpora.download.transfer import Address, Tell, download
from pcqtool.corpora.download.unpack import is_archive, unpack
from pcqtool.corpora.release import Download, downloads_of
from pcqtool.corpora.roots import VARIABLE
from pcqtool.errors import CorpusError, TableError
from pcqtool.files.atomic import write_whole
from pcqtool.files.folder import LOCK
from pcqtool.files.lock import locked

WORK = ".fetch"
RECORD = "fetched.json"

Watch = Callable[[str], AbstractContextManager[Tell]]


@dataclass(frozen=True)
class Fetched:
    """One file that was fetched.

    Attributes:
        url: its address.
        sha256: what it was.
        size_bytes: of the file as downloaded.
        fetched: when, in UTC.
        checked_by: ``publisher``, ``first fetch`` (the same as then), or ``nothing`` (this was the first).
    """

    url: str
    sha256: str
    size_bytes: int
    fetched: str
    checked_by: str


def fetch(
    corpus: type[Corpus],
    root: Path,
    watch: Watch,
    say: Callable[[str], None],
    wait: Callable[[float], None] = time.sleep,
    hosts: Sequence[str] = (),
) -> list[Fetched]:
    """Download a corpus; what an earlier call began is gone on with.

    Until all is there, downloads and unpacked files lie in ``.fetch/NAME`` beside ``root``. There the checksums stay:
    what has none from its publisher is held against that of the first time.

    Args:
        corpus: its class.
        root: where it shall lie.
        watch: shows the progress of work that is called so.
        say: takes a line on what is going on.
        wait: pauses for so many seconds, between attempts.
        hosts: to which addresses may lead, besides their own and those that the class names.

    Returns:
        The files, in the order of the class's ``downloads``; none if there is something at ``root`` already.

    Raises:
        CorpusError: if the corpus is not public, cannot be downloaded, or is not what it should be.
        LockedError: if another process is fetching it.
    """
    files = downloads_of(corpus)
    if not files:
        raise CorpusError(f"corpus {corpus.name!r} cannot be downloaded by a program", apply(corpus, root))
    work = root.parent / WORK / root.name
    unpacked = work / "unpacked"
    with _disk(work), locked(work / LOCK, f"{work}: another process is fetching it", "Wait for it."):
        if root.exists() and any(root.iterdir()):
            return []
        record = _Record(work / RECORD)
        addresses = [Address(each.url, each.size_bytes, (*each.hosts, *hosts)) for each in files]
        done = [
            _fetch_one(file, address, work, record, watch, say, wait)
            for file, address in zip(files, addresses, strict=True)
        ]
        try:
            shutil.rmtree(unpacked, ignore_errors=True)
            for each in files:
                _unpack_one(work / each.name, unpacked / each.folder, watch)
            unpacked.rename(root)
        finally:
            shutil.rmtree(unpacked, ignore_errors=True)
        record.add(done)
        for each in files:
            (work / each.name).unlink()
    return done


def apply(corpus: type[Corpus], root: Path | None) -> str:
    """Say how to come by a corpus that has to be applied for."""
    where = f"Get it from {corpus.url}" if corpus.url else "Get it from its owners"
    place = root or Path(f"${VARIABLE}", corpus.name)
    return f"{where} ({corpus.licence.rstrip('.') or 'licence unknown'}), and unpack it into {place}."


class _Record:
    """The checksums of what was fetched before."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._entries = {each["url"]: Fetched(**each) for each in json.loads(path.read_text("utf-8"))}
        except FileNotFoundError:
            self._entries = {}
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise CorpusError(f"{path}: cannot be read: {error}", "Remove it: it only holds old checksums.") from error

    def first(self, url: str) -> Fetched | None:
        return self._entries.get(url)

    def add(self, fetched: list[Fetched]) -> None:
        """Write down what is new; of the others, the day of the first time stays."""
        self._entries = {each.url: each for each in fetched} | self._entries
        text = json.dumps([asdict(each) for each in self._entries.values()], indent=2)
        write_whole(self.path, f"{text}\n".encode())


def _fetch_one(
    file: Download,
    address: Address,
    work: Path,
    record: _Record,
    watch: Watch,
    say: Callable[[str], None],
    wait: Callable[[float], None],
) -> Fetched:
    target = work / file.name
    if not target.exists():
        with watch(f"downloading {file.url}") as tell:
            download(address, target, lambda done, total: tell(done, total or file.size_bytes), say, wait)
    algorithm, _, wanted = (file.checksum or "sha256:").partition(":")
    hashes = _hashes(target, {algorithm, "sha256"})
    first = record.first(file.url)
    wanted = wanted or (first.sha256 if first else "")
    if wanted and hashes[algorithm] != wanted:
        target.unlink()
        raise _differs(file, first, f"{algorithm} {hashes[algorithm]}", wanted, record.path)
    checked_by = "publisher" if file.checksum else "first fetch" if first else "nothing"
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return Fetched(file.url, hashes["sha256"], target.stat().st_size, now, checked_by)


def _differs(file: Download, first: Fetched | None, found: str, wanted: str, record: Path) -> CorpusError:
    if file.checksum:
        return CorpusError(
            f"{file.url}: its {found} is not {wanted}, as published: it was damaged or changed, and is removed",
            "Run this again; if that does not help, the file has changed: look for a newer pcqtool.",
        )
    return CorpusError(
        f"{file.url}: its {found} is not {wanted}, as on {first.fetched if first else 'the first time'}; it is removed",
        f"No checksum is published. If the file may have changed, remove {record} and run this again.",
    )


def _hashes(path: Path, algorithms: set[str]) -> dict[str, str]:
    hashes = {name: hashlib.new(name, usedforsecurity=False) for name in algorithms}
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            for each in hashes.values():
                each.update(piece)
    return {name: each.hexdigest() for name, each in hashes.items()}


def _unpack_one(file: Path, folder: Path, watch: Watch) -> None:
    if not is_archive(file.name):
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy2(file, folder)
        return
    with watch(f"unpacking {file.name}") as tell:
        unpack(file, folder, tell)


@contextmanager
def _disk(work: Path) -> Iterator[None]:
    remedy = "Free some space, or choose another folder."
    try:
        yield
    except OSError as error:
        place = error.filename or work
        raise CorpusError(f"{place}: cannot be written ({error.strerror or error})", remedy) from error
    except TableError as error:  # of the lock
        raise CorpusError(error.what, remedy) from error
